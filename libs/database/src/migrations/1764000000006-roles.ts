import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * One role a service, with what it needs and nothing else: ADR 9. They cannot log in; an operator
 * grants each to the user that the service connects as. A role is the server's, not the database's, so it may be there.
 */
const ROLES = ['rollcall_subscription_api', 'rollcall_presence', 'rollcall_dispatcher'] as const;

const GRANTS = `
  -- What each owns, it writes.
  grant usage on schema access, subscription to rollcall_subscription_api;
  grant select, insert, update, delete on all tables in schema access, subscription to rollcall_subscription_api;
  grant usage on schema presence to rollcall_presence;
  grant select, insert, update, delete on all tables in schema presence to rollcall_presence;
  grant usage on all sequences in schema presence to rollcall_presence;
  grant usage on schema dispatch to rollcall_dispatcher;
  grant select, insert, update, delete on all tables in schema dispatch to rollcall_dispatcher;

  -- What it reads of others: ARCHITECTURE.md has the same list.
  grant select on public.rollcall_migration to rollcall_subscription_api, rollcall_presence, rollcall_dispatcher;
  grant usage on schema presence, dispatch to rollcall_subscription_api;
  grant select on presence.client, presence.agent, presence.status_change to rollcall_subscription_api;
  grant select on dispatch.agent_cursor, dispatch.queue, dispatch.attempt, dispatch.event_health to rollcall_subscription_api;
  grant usage on schema access to rollcall_presence;
  grant select (kid, public_jwk, created_at) on access.signing_key to rollcall_presence;
  grant select (id, app_id, client_id, access, revoked_at) on access.application to rollcall_presence;
  grant usage on schema subscription, presence to rollcall_dispatcher;
  grant select on subscription.agent_event, subscription.client_event_start, subscription.webhook_secret to rollcall_dispatcher;
  grant select on presence.status_change to rollcall_dispatcher;`;

export class Roles1764000000006 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    if (!(await canHaveRoles(runner))) return;
    for (const role of ROLES) {
      // Two databases of one server may be migrated at once.
      await runner.query(
        `do $$ begin create role ${role} nologin; exception when duplicate_object or unique_violation then null; end $$`,
      );
    }
    await runner.query(GRANTS);
    await this.lockDownFunctions(runner);
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const role of ROLES) await runner.query(`drop owned by ${role}`);
  }

  /** Commands work with their owner's rights, so that a caller needs none on the tables behind them. */
  private async lockDownFunctions(runner: QueryRunner): Promise<void> {
    const commands: Readonly<Record<string, readonly string[]>> = {
      'presence.maintain_partitions(interval)': ['rollcall_presence'],
      'presence.put_agent(bigint, text, bigint, text)': ['rollcall_subscription_api'],
      'presence.remove_agent(bigint, text, bigint, uuid)': ['rollcall_subscription_api'],
      'dispatch.maintain_partitions(interval)': ['rollcall_dispatcher'],
      // The dispatcher moves what was in flight while its url changed.
      'dispatch.rehome(bigint)': ['rollcall_subscription_api', 'rollcall_dispatcher'],
      'dispatch.resume(bigint)': ['rollcall_subscription_api'],
      'dispatch.redeliver(bigint, uuid, interval)': ['rollcall_subscription_api'],
      'dispatch.replay(bigint, timestamptz, timestamptz, interval)': ['rollcall_subscription_api'],
    };
    for (const [command, callers] of Object.entries(commands)) {
      await runner.query(`alter function ${command} security definer set search_path = pg_catalog, pg_temp`);
      await runner.query(`revoke execute on function ${command} from public`);
      await runner.query(`grant execute on function ${command} to ${callers.join(', ')}`);
    }
  }
}

/** Where the migrating user may not make roles and nobody has made them, services share the user: nothing is lost but the walls. */
async function canHaveRoles(runner: QueryRunner): Promise<boolean> {
  const [answer] = (await runner.query(
    `select (select rolsuper or rolcreaterole from pg_roles where rolname = current_user)
         or (select count(*) = $2 from pg_roles where rolname = any ($1)) as can`,
    [ROLES, ROLES.length],
  )) as [{ can: boolean }];
  return answer.can;
}
