import { randomBytes, randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { keyHash } from '#bus';
import { partitionKey } from '#contracts';
import { DeliveryRows } from '../../../test/support/delivery-rows.js';
import { createTestDatabase, type TestDatabase } from '../../../test/support/postgres.js';
import { InspectRepository } from './inspect.repository.js';
import { runCli } from './run.js';

const SHARDS = 3;
const AGENT = { clientId: 12, agentId: 136 };
const SHARD = keyHash(partitionKey(AGENT)) % SHARDS;
const OWNER = randomUUID();
const NO_CHANGE = '019aa0e5-6b2c-7c3e-9a4f-3f1d2c4b5a69';

interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly error: string;
}

describe('inspect', () => {
  let database: TestDatabase;
  let pool: pg.Pool;
  let rows: DeliveryRows;
  /** Of a user who may read, and write nothing at all. */
  let readerUrl: string;
  const reader = `reader_${randomBytes(6).toString('hex')}`;

  beforeAll(async () => {
    database = await createTestDatabase();
    pool = new pg.Pool({ connectionString: database.url, max: 1 });
    rows = new DeliveryRows(pool);
    await pool.query(`create role ${reader} login password 'reader' in role pg_read_all_data`);
    const url = new URL(database.url);
    [url.username, url.password] = [reader, 'reader'];
    readerUrl = url.href;
    await pool.query(`select presence.put_agent(12, 'local', 136, '101'), presence.put_agent(12, 'remote', 7, 'nobody')`);
  });

  afterAll(async () => {
    await pool.query(`drop role ${reader}`);
    await pool.end();
    await database.drop();
  });

  async function inspect(...args: (string | number)[]): Promise<Outcome> {
    let out = '';
    let error = '';
    const code = await runCli(['inspect', ...args.map(String)], {
      env: { DATABASE_URL: readerUrl, DATA_DIR: '/nonexistent' },
      write: (text) => void (out += text),
      writeError: (text) => void (error += text),
    });
    return { code, out, error };
  }

  async function inspectAsJson(...args: (string | number)[]): Promise<object> {
    const { code, out, error } = await inspect(...args, '--json');
    expect([code, error]).toEqual([0, '']);
    return JSON.parse(out) as object;
  }

  async function addAgentEvent(url: string, agentId: number | null = null, clientId = 12): Promise<number> {
    const { rows: added } = await pool.query<{ id: string }>(
      `insert into subscription.agent_event (client_id, application_id, agent_id, agent_type, url, method, event_type)
       values ($1, 1, $2, case when $2::bigint is not null then 'local' end, $3, 'POST', 'agent-login') returning id`,
      [clientId, agentId, url],
    );
    return Number(added[0]!.id);
  }

  it('says that there are no shards before a dispatcher has worked', async () => {
    expect(await inspect('partition', 0)).toEqual({
      code: 1,
      out: '',
      error: expect.stringMatching(/^0: .*no shards yet.*\n$/) as string,
    });
  });

  describe('with a delivery that is tried again', () => {
    let event: number;
    let change: string;

    beforeAll(async () => {
      await pool.query('insert into dispatch.shard_base (partitions) values ($1)', [SHARDS]);
      await pool.query(
        `insert into dispatch.shard_lease (shard, owner, epoch, until)
         select shard, $2::uuid, 5, case when shard = $1 then now() + interval '1 hour' end from generate_series(0, $3::integer - 1) shard`,
        [SHARD, OWNER, SHARDS],
      );
      await pool.query('insert into dispatch.shard_sweep (shard, position) values ($1, 3)', [SHARD]);
      event = await addAgentEvent('https://example.com/hook?token=s3cret', AGENT.agentId);
      change = await rows.addLogin(AGENT);
      await rows.plan(AGENT);
      await rows.addAttempt(event, change, 1, 'retry', 503);
      await rows.addAttempt(event, change, 2, 'retry', null);
      await rows.fallBehind(event, change, { attempts: 2 });
      await pool.query('update dispatch.behind set hash = $1', [keyHash(partitionKey(AGENT))]);
    });

    it('shows the delivery: all that is kept of it, and whose work it is', async () => {
      expect(await inspectAsJson('delivery', `${change}_${event}`)).toMatchObject({
        change: { id: change, client_id: 12, agent_id: 136, agent_type: 'local', sequence: 1, is_published: true },
        agent_event: { id: event, agent_id: 136, method: 'POST', url: 'https://example.com/…', suspended_at: null },
        cursor: { last_sequence: 1 },
        behind: { agent_event_id: event, attempts: 2, due_at: '2099-01-01T00:00:00.000Z', head_change_id: change },
        redelivery: null,
        attempts: [
          { attempt: 1, outcome: 'retry', http_status: 503, error: null },
          { attempt: 2, outcome: 'retry', http_status: null, error: 'connection refused' },
        ],
        shard: { shard: SHARD, shards: SHARDS, owner: OWNER, epoch: 5, is_held: true },
      });
    });

    it('shows it in words, with no secret of the url', async () => {
      const { code, out, error } = await inspect('delivery', `${change}_${event}`);
      expect([code, error]).toEqual([0, '']);
      expect(out).toMatch(new RegExp(`^change\n  id +${change}\n`));
      expect(out).toMatch(/\n {2}due_at +2099-01-01T00:00:00\.000Z\n/);
      expect(out).toMatch(/\n\nredelivery\n {2}none\n\nattempts\n {2}attempt {2}attempted_at .*\n {2}1 .* retry +503 +- +-\n/);
      expect(out).not.toContain('s3cret');
    });

    it('shows one that is sent again', async () => {
      const again = await addAgentEvent('https://example.com/again');
      await rows.addAttempt(again, change, 1, 'failed', 500);
      await rows.sendAgain(again, change, 1);
      expect(await inspectAsJson('delivery', `${change}_${again}`)).toMatchObject({
        agent_event: { url: 'https://example.com/again', agent_id: null },
        behind: null,
        redelivery: { sequence: 1, attempts: 1 },
        attempts: [{ attempt: 1, outcome: 'failed' }],
      });
      expect(await inspectAsJson('agent', 12, 'local', 136)).toMatchObject({
        redeliveries: [{ agent_event_id: again, change_id: change }],
      });
    });

    it('shows one that nothing is recorded of, and one whose agent event is deleted', async () => {
      const fresh = await addAgentEvent('https://user:pass@example.com/fresh');
      expect(await inspectAsJson('delivery', `${change}_${fresh}`)).toMatchObject({
        agent_event: { url: 'https://example.com/…' },
        behind: null,
        attempts: [],
      });
      await rows.addAttempt(fresh, change, 1, 'delivered');
      await pool.query('delete from subscription.agent_event where id = $1', [fresh]);
      expect(await inspectAsJson('delivery', `${change}_${fresh}`)).toMatchObject({
        agent_event: null,
        attempts: [{ outcome: 'delivered' }],
      });
    });

    it('knows no delivery of another change, agent event or client', async () => {
      const foreign = await addAgentEvent('https://example.com/', null, 13);
      for (const id of [`${NO_CHANGE}_${event}`, `${change}_4294967295`, `${change}_${foreign}`])
        expect(await inspect('delivery', id)).toEqual({ code: 1, out: '', error: `${id}: there is no such delivery\n` });
    });

    it('shows the agent: its state, its log, and what is behind for it', async () => {
      await pool.query(
        `insert into presence.outbox (position, shard, change_id)
         select position, presence.shard_of(client_id, agent_id), id from presence.status_change where id = $1`,
        [change],
      );
      expect(await inspectAsJson('agent', 12, 'local', 136)).toMatchObject({
        agent: { client_id: 12, agent_id: 136, name: '101', agent_status: 'available', sequence: 1, deleted_at: null },
        last_report: null,
        changes: [{ id: change, is_published: false }],
        cursor: { last_sequence: 1 },
        agent_events: expect.arrayContaining([expect.objectContaining({ id: event, url: 'https://example.com/…' })]) as unknown,
        behind: [{ agent_event_id: event, next_sequence: 1, attempts: 2 }],
        shard: { shard: SHARD, owner: OWNER, is_held: true },
        relay_shard: { is_held: false, unpublished: 1, oldest_at: expect.any(String) as unknown },
      });
    });

    it('shows an agent of which there is nothing yet', async () => {
      expect(await inspectAsJson('agent', 12, 'remote', 7)).toMatchObject({
        agent: { agent_status: 'logged_out', sequence: 0 },
        changes: [],
        cursor: null,
        behind: [],
        redeliveries: [],
      });
      expect((await inspect('agent', 12, 'remote', 7)).out).toMatch(/\n\ncursor\n {2}none\n/);
    });

    it('knows no agent of another id, type or client', async () => {
      for (const [client, type, id] of [
        [12, 'local', 137],
        [12, 'remote', 136],
        [13, 'local', 136],
      ] as const)
        // prettier-ignore
        expect(await inspect('agent', client, type, id)).toEqual({
          code: 1,
          out: '',
          error: `${type} ${id}: there is no such agent of client ${client}\n`,
        });
    });

    it('shows a partition: who has its lease, and what waits in it', async () => {
      expect(await inspectAsJson('partition', SHARD)).toMatchObject({
        shard: { shard: SHARD, shards: SHARDS, owner: OWNER, epoch: 5, is_held: true, swept_position: 3 },
        behind: {
          rows: 1,
          due: 0,
          asleep: 0,
          oldest_since: expect.any(String) as unknown,
          next_due_at: '2099-01-01T00:00:00.000Z',
        },
        redeliveries: { redeliveries: 0, lanes: 0 },
        outbox: { unpublished: expect.any(Number) as unknown },
        relay_shard: { shard: SHARD },
      });
      const idle = await inspectAsJson('partition', (SHARD + 1) % SHARDS);
      expect(idle).toMatchObject({ shard: { is_held: false, until: null }, behind: { rows: 0, oldest_since: null } });
      expect((await inspect('partition', SHARD)).out).toMatch(new RegExp(`^shard\n  shard +${SHARD}\n`));
    });

    it('gives up in time what it has to wait for', async () => {
      const locking = new pg.Client({ connectionString: database.url });
      await locking.connect();
      try {
        await locking.query('begin; lock table dispatch.agent_cursor in access exclusive mode');
        await expect(new InspectRepository(pool, 50).agent(AGENT, 'local')).rejects.toMatchObject({ code: '57014' });
      } finally {
        await locking.end();
      }
      expect(await new InspectRepository(pool).agent(AGENT, 'local')).toMatchObject({ agent: { name: '101' } }); // the connection is good
    });

    it('says what a user may not read, and what to do', async () => {
      await pool.query(`revoke pg_read_all_data from ${reader}`);
      try {
        await pool.query(`grant select on rollcall_migration to ${reader}`);
        const { code, out, error } = await inspect('agent', 12, 'local', 136);
        expect([code, out, error]).toEqual([
          1,
          '',
          expect.stringMatching(/^The database cannot be read: permission denied .*: grant it/),
        ]);
      } finally {
        await pool.query(`revoke all on rollcall_migration from ${reader}; grant pg_read_all_data to ${reader}`);
      }
    });

    it('knows no partition beyond the shards', async () => {
      expect(await inspect('partition', SHARDS)).toEqual({
        code: 1,
        out: '',
        error: `${SHARDS}: there is no such shard: they are 0 to ${SHARDS - 1}\n`,
      });
    });
  });

  it.each([
    [['delivery', 'nonsense'], 'must be the id of a change'],
    [['agent', 'x', 'local', '1'], 'must be a whole number'],
    [['agent', '12', 'human', '1'], 'Allowed choices are local, remote'],
    [['partition', '-'], 'must be a whole number'],
    [['partition'], "missing required argument 'n'"],
    [['agent', '12', 'local'], "missing required argument 'agent_id'"],
  ])('refuses %j', async (args, words) => {
    const { code, out, error } = await inspect(...args);
    expect([code, out, error]).toEqual([2, '', expect.stringContaining(words)]);
  });
});
