import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { uuidv7 } from 'uuidv7';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../../test/support/postgres.js';

const TABLES = [
  ...['access.application', 'access.signing_key', 'access.request_count', 'access.client_removal', 'access.audit'],
  ...['subscription.agent_event', 'subscription.client_event_start', 'subscription.client_usage', 'subscription.webhook_secret'],
  'subscription.notice_event',
  ...[
    'presence.client',
    'presence.agent',
    'presence.status_change',
    'presence.directory_change',
    'presence.outbox',
    'presence.relay_shard',
    'presence.relay_instance',
    'presence.restore',
  ],
  ...['dispatch.agent_cursor', 'dispatch.queue', 'dispatch.attempt', 'dispatch.event_health'],
  ...['dispatch.behind', 'dispatch.wake', 'dispatch.replay', 'dispatch.redelivery', 'dispatch.redelivery_lane'],
  ...['dispatch.shard_base', 'dispatch.shard_lease', 'dispatch.shard_sweep'],
  ...['dispatch.notice', 'dispatch.notice_delivery', 'dispatch.notice_event_health'],
];

const ALLOWED: Readonly<Record<string, { readonly writes: readonly string[]; readonly reads: readonly string[] }>> = {
  rollcall_subscription_api: {
    writes: TABLES.filter((table) => /^(access|subscription)\./.test(table)),
    reads: [
      ...['presence.client', 'presence.agent', 'presence.status_change', 'presence.directory_change', 'presence.restore'],
      ...['dispatch.agent_cursor', 'dispatch.queue', 'dispatch.attempt', 'dispatch.event_health'],
      ...['dispatch.behind', 'dispatch.wake', 'dispatch.replay', 'dispatch.redelivery', 'dispatch.shard_base'],
      ...['dispatch.notice', 'dispatch.notice_delivery', 'dispatch.notice_event_health'],
    ],
  },
  // Of access only some columns, so not the whole table.
  rollcall_presence: { writes: TABLES.filter((table) => /^presence\.(?!restore$)/.test(table)), reads: [] },
  rollcall_dispatcher: {
    writes: TABLES.filter((table) => table.startsWith('dispatch.')),
    reads: [
      'subscription.agent_event',
      'subscription.client_event_start',
      'subscription.webhook_secret',
      'subscription.notice_event',
      'presence.status_change',
      'presence.restore',
    ],
  },
};

const DENIED = '42501';

describe.each(Object.entries(ALLOWED))('role %s', (role, { writes, reads }) => {
  let database: TestDatabase;
  let admin: pg.Client;
  let client: pg.Client;
  const user = `test_${randomBytes(6).toString('hex')}`;

  beforeAll(async () => {
    database = await createTestDatabase();
    admin = new pg.Client({ connectionString: database.url });
    await admin.connect();
    await admin.query(`create role ${user} login password 'x' in role ${role}`);
    const url = new URL(database.url);
    url.username = user;
    url.password = 'x';
    client = new pg.Client({ connectionString: url.toString() });
    await client.connect();
  });

  afterAll(async () => {
    await client.end();
    await admin.query(`drop role ${user}`);
    await admin.end();
    await database.drop();
  });

  async function codeOf(sql: string, values: unknown[] = []): Promise<string | undefined> {
    try {
      await client.query(sql, values);
      return undefined;
    } catch (error) {
      return (error as { code: string }).code;
    }
  }

  it.each(TABLES)('%s', async (table) => {
    const mayWrite = writes.includes(table);
    const mayRead = mayWrite || reads.includes(table);
    expect(await codeOf(`select * from ${table} limit 0`)).toBe(mayRead ? undefined : DENIED);
    expect(await codeOf(`delete from ${table} where false`)).toBe(mayWrite ? undefined : DENIED);
  });

  it('calls the commands that are its own to give, with the owner’s rights', async () => {
    const api = role === 'rollcall_subscription_api';
    const changeId = uuidv7();
    expect(await codeOf(`select presence.put_agent(12, 'local', 1, 'a')`)).toBe(api ? undefined : DENIED);
    expect(await codeOf(`select presence.remove_agent(12, 'local', 1, $1)`, [changeId])).toBe(api ? undefined : DENIED);
    expect(await codeOf(`select dispatch.rehome(1)`)).toBe(role === 'rollcall_presence' ? DENIED : undefined);
    expect(await codeOf(`select dispatch.rehome(1, 'https://example.com/')`)).toBe(api ? undefined : DENIED);
    for (const command of [
      'dispatch.resume(1)',
      'dispatch.pause(1)',
      `dispatch.request_redelivery(1, gen_random_uuid(), '1 day')`,
      `dispatch.count_replay(1, '2026-01-01', now(), true)`,
      `dispatch.start_replay(1, '2026-01-01', now(), true, '1 day')`,
      'dispatch.cancel_replay(1)',
      'dispatch.attempts_since()',
      'dispatch.wake_notices(1, true)',
      'presence.forget_agents(1, -1, 1)',
      'presence.forget_log(1, 1, now(), 1)',
      `dispatch.forget_client(1, '{}', now(), 1)`,
    ])
      expect([command, await codeOf(`select ${command}`)]).toEqual([command, api ? undefined : DENIED]);
    expect(await codeOf(`select dispatch.add_notice(12, 'limit.near', null, '{}')`)).toBe(DENIED);
    expect(await codeOf('select dispatch.wake_event(1)')).toBe(role === 'rollcall_presence' ? DENIED : undefined);
    // With the caller's own rights.
    for (const step of ['dispatch.step_wake(1)', 'dispatch.step_replay(1, 1)', 'dispatch.forget_redeliveries(1, 1)'])
      if (role === 'rollcall_dispatcher') expect([step, await codeOf(`select ${step}`)]).toEqual([step, undefined]);
    expect(await codeOf(`select presence.maintain_partitions('30 days')`)).toBe(
      role === 'rollcall_presence' ? undefined : DENIED,
    );
    expect(await codeOf(`select presence.drop_directory_changes('30 days', 1)`)).toBe(
      role === 'rollcall_presence' ? undefined : DENIED,
    );
    expect(await codeOf(`select dispatch.maintain_partitions('30 days')`)).toBe(
      role === 'rollcall_dispatcher' ? undefined : DENIED,
    );
    for (const command of [`presence.add_partitions()`, `presence.drop_partitions('30 days')`])
      expect(await codeOf(`select ${command}`)).toBe(role === 'rollcall_presence' ? undefined : DENIED);
    for (const command of [`dispatch.add_partitions('30 days')`, `dispatch.drop_partitions('30 days')`])
      expect(await codeOf(`select ${command}`)).toBe(role === 'rollcall_dispatcher' ? undefined : DENIED);
    expect(await codeOf(`select public.rollcall_check_write('a')`)).toBeUndefined();
    expect(await codeOf(`delete from public.rollcall_write_check`)).toBe(DENIED);
    expect(await codeOf(`select public.rollcall_drop_partitions('presence.status_change', '2000-01-01')`)).toBe(DENIED);
  });

  it('sees the last position of the log where cursors are judged, and where the log is compared', async () => {
    const judges = role === 'rollcall_presence' ? DENIED : undefined;
    expect(await codeOf('select last_value, is_called from presence.status_change_position')).toBe(judges);
  });

  it('sees what tokens are checked with, where it checks tokens', async () => {
    const checks = role === 'rollcall_dispatcher' ? DENIED : undefined;
    expect(await codeOf('select kid, public_jwk, created_at from access.signing_key')).toBe(checks);
    expect(await codeOf('select id, app_id, client_id, access, revoked_at from access.application')).toBe(checks);
    const owns = role === 'rollcall_subscription_api' ? undefined : DENIED;
    for (const column of ['activates_at', 'replacement_asked_at'])
      expect(await codeOf(`select ${column} from access.signing_key`)).toBe(owns);
  });

  it('never sees a private key or a secret’s hash that is not its own', async () => {
    const api = role === 'rollcall_subscription_api';
    expect(await codeOf('select private_jwk_sealed from access.signing_key')).toBe(api ? undefined : DENIED);
    for (const column of ['secret_hash', 'previous_secret_hash'])
      expect(await codeOf(`select ${column} from access.application`)).toBe(api ? undefined : DENIED);
  });
});
