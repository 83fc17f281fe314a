import { Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';

/** A client that is being removed. */
interface Job {
  readonly client_id: number;
  readonly requested_at: Date;
  readonly stage: number;
  readonly reached: number;
  readonly agent_event_ids: number[];
  readonly until_position: number | null;
}

/** Rows, agents and agent events that one step takes: a step holds nobody up. */
const MOST = { rows: 1000, agents: 100, agentEvents: 20 };

/** An instance takes a token of a removed client for good a moment longer (`APPLICATION_TTL_MS`), with much to spare. */
const LATE = '1 minute';

/** Until a step is done again that had to wait, or failed, in milliseconds. */
const WAIT_MS = 5000;

/** Does a bounded part of a stage. @returns whether there may be more of it; null: there is, and it has to wait */
type Stage = (manager: EntityManager, job: Job) => Promise<boolean | null>;

/** Removals that may be gone on with. */
const DUE = 'finished_at is null and stepped_at <= clock_timestamp()';

/**
 * In this order: what is notified, and signed; agents, which are logged out and notify nobody any more; what is logged of them; what is
 * kept of notifications; applications last. What was made after the request is a new life of the client, and stays.
 */
const STAGES: readonly Stage[] = [deleteSubscriptions, removeAgents, deleteLog, deleteDeliveries, deleteApplications];

/** Removals of clients, as jobs that any process goes on with. */
@Injectable()
export class ClientRemovalRepository {
  constructor(private readonly dataSource: DataSource) {}

  /**
   * Has a client removed, and revokes its applications at once. One that is being removed already goes on as it is.
   *
   * @param by the application or the command that asks
   * @returns false: there is no such client
   */
  request(clientId: number, by: string): Promise<boolean> {
    return this.dataSource.transaction(async (manager) => {
      const known: { found: boolean }[] = await manager.query(
        `select exists (select from access.application where client_id = $1)
             or exists (select from presence.client where client_id = $1) as found`,
        [clientId],
      );
      if (!known[0]!.found) return false;
      await manager.query(
        `insert into access.client_removal as r (client_id, requested_by, agent_event_ids)
         values ($1, $2, array(
           select id from subscription.agent_event where client_id = $1
           union select agent_event_id from subscription.removed_agent_event where client_id = $1))
         on conflict (client_id) do update
           set requested_by = excluded.requested_by, requested_at = now(), stage = 0, reached = -1,
               agent_event_ids = excluded.agent_event_ids, until_position = null, finished_at = null
           where r.finished_at is not null`,
        [clientId, by],
      );
      await manager.query('update access.application set revoked_at = now() where client_id = $1 and revoked_at is null', [
        clientId,
      ]);
      return true;
    });
  }

  async isRunning(clientId: number): Promise<boolean> {
    const rows: unknown[] = await this.dataSource.query(
      'select from access.client_removal where client_id = $1 and finished_at is null',
      [clientId],
    );
    return rows.length > 0;
  }

  /** Tells whether there is a step to do. */
  async isDue(): Promise<boolean> {
    const rows: unknown[] = await this.dataSource.query(`select from access.client_removal where ${DUE} limit 1`);
    return rows.length > 0;
  }

  /**
   * Goes on with the removal that has waited longest, by one bounded step; what somebody else is at is left to them.
   *
   * @returns false: there is nothing to do now
   * @throws the database's error; the step is done again a moment later
   */
  async step(): Promise<boolean> {
    let taken: number | undefined;
    try {
      return await this.dataSource.transaction(async (manager) => {
        const [job]: (Job | undefined)[] = await manager.query(
          `select client_id, requested_at, stage, reached, agent_event_ids, until_position from access.client_removal
           where ${DUE} order by stepped_at limit 1 for update skip locked`,
        );
        if (!job) return false;
        taken = job.client_id;
        const hasMore = await STAGES[job.stage]!(manager, job);
        await manager.query(
          `update access.client_removal
           set stepped_at = clock_timestamp() + $4 * interval '1 ms', stage = stage + $2::integer,
               finished_at = case when stage + $2::integer = $3 then now() end
           where client_id = $1`,
          [job.client_id, hasMore === false ? 1 : 0, STAGES.length, hasMore === null ? WAIT_MS : 0],
        );
        return true;
      });
    } catch (error) {
      // The others go on, whatever is wrong with this one. Where not even this can be written, the first error says more.
      if (taken !== undefined) await this.postpone(taken).catch(() => undefined);
      throw error;
    }
  }

  private async postpone(clientId: number): Promise<void> {
    await this.dataSource.query(
      `update access.client_removal set stepped_at = clock_timestamp() + $2 * interval '1 ms' where client_id = $1`,
      [clientId, WAIT_MS],
    );
  }

  /**
   * Deletes what applications of clients that were removed a moment ago have added since: were the client to come back, it would be told to
   * those who had its number before. Known by their applications, which are gone, or by the client, which is: what other clients' applications
   * added to a new life stays.
   */
  async deleteLateAdditions(): Promise<void> {
    const removed: Pick<Job, 'client_id'>[] = await this.dataSource.query(
      'select client_id from access.client_removal where finished_at > now() - $1::interval',
      [LATE],
    );
    for (const { client_id } of removed)
      while (await this.dataSource.transaction((manager) => deleteLateAdditionsOf(manager, client_id)));
  }

  /** Forgets removals that finished longer ago than this, in milliseconds. */
  async forgetFinished(retentionMs: number): Promise<void> {
    await this.dataSource.query(`delete from access.client_removal where finished_at < now() - $1 * interval '1 ms'`, [
      retentionMs,
    ]);
  }
}

async function deleteSubscriptions(manager: EntityManager, { client_id, requested_at }: Job): Promise<boolean> {
  await manager.query('select from subscription.client_usage where client_id = $1 for update', [client_id]);
  const events: { id: number }[] = await manager.query(
    'select id from subscription.agent_event where client_id = $1 and created_at <= $2 order by id limit $3',
    [client_id, requested_at, MOST.agentEvents],
  );
  if (events.length > 0) {
    await deleteAgentEvents(manager, events);
    return true;
  }
  await manager.query('delete from subscription.notice_event where client_id = $1 and created_at <= $2', [
    client_id,
    requested_at,
  ]);
  await manager.query('delete from subscription.webhook_secret where client_id = $1 and created_at <= $2', [
    client_id,
    requested_at,
  ]);
  // What was added meanwhile counts from here on, against the limit of all.
  await manager.query('delete from subscription.client_usage where client_id = $1', [client_id]);
  await manager.query(
    `insert into subscription.client_usage (client_id, agent_event_used)
     select $1, count(*) from subscription.agent_event where client_id = $1 and until_sequence is null having count(*) > 0`,
    [client_id],
  );
  return false;
}

async function deleteAgentEvents(manager: EntityManager, events: readonly { readonly id: number }[]): Promise<void> {
  const ids = events.map(({ id }) => id);
  await manager.query('select dispatch.wake_event(id) from unnest($1::bigint[]) as e (id)', [ids]);
  await manager.query('delete from subscription.agent_event where id = any ($1::bigint[])', [ids]);
}

/** @returns whether there may be more */
async function deleteLateAdditionsOf(manager: EntityManager, clientId: number): Promise<boolean> {
  await manager.query('select from subscription.client_usage where client_id = $1 for update', [clientId]);
  const isGone = `not exists (select from access.application where client_id = $1)
    and not exists (select from presence.client where client_id = $1)`;
  const isOfNobody = `(not exists (select from access.application a where a.id = e.application_id) or ${isGone})`;
  const events: { id: number }[] = await manager.query(
    `select id from subscription.agent_event e where client_id = $1 and ${isOfNobody} order by id limit $2`,
    [clientId, MOST.agentEvents],
  );
  if (events.length > 0) {
    await deleteAgentEvents(manager, events);
    // Mostly nothing was sent to them; what was is found by it when the client is removed again.
    await manager.query(
      `delete from subscription.removed_agent_event r where client_id = $1 and agent_event_id = any ($2::bigint[])
         and not exists (select from dispatch.attempt a where a.agent_event_id = r.agent_event_id)`,
      [clientId, events.map(({ id }) => id)],
    );
    await manager.query(
      `update subscription.client_usage set agent_event_used =
         (select count(*) from subscription.agent_event where client_id = $1 and until_sequence is null)
       where client_id = $1`,
      [clientId],
    );
    return true;
  }
  await manager.query(`delete from subscription.notice_event e where client_id = $1 and ${isOfNobody}`, [clientId]);
  await manager.query(
    `delete from access.audit where client_id = $1 and (starts_with(action, 'agent_event.') or action = 'webhook_secret.rotated')
       and not exists (select from access.application a where a.app_id = by)`,
    [clientId],
  );
  // Of a client that has come back it may have been handed over already.
  await manager.query(`delete from subscription.webhook_secret where client_id = $1 and ${isGone}`, [clientId]);
  await manager.query(`delete from subscription.client_usage where client_id = $1 and ${isGone}`, [clientId]);
  return false;
}

async function removeAgents(manager: EntityManager, { client_id, reached }: Job): Promise<boolean> {
  const [answer]: { last: number | null }[] = await manager.query('select presence.forget_agents($1, $2, $3) as last', [
    client_id,
    reached,
    MOST.agents,
  ]);
  if (answer!.last === null) return false;
  await manager.query('update access.client_removal set reached = $2 where client_id = $1', [client_id, answer!.last]);
  return true;
}

async function deleteLog(manager: EntityManager, { client_id, requested_at, until_position }: Job): Promise<boolean | null> {
  if (until_position === null) {
    await manager.query(
      `update access.client_removal set until_position = (select last_value from presence.status_change_position) where client_id = $1`,
      [client_id],
    );
    return true;
  }
  return callStep(manager, 'presence.forget_log($1, $2, $3, $4)', [client_id, until_position, requested_at, MOST.rows]);
}

async function deleteDeliveries(
  manager: EntityManager,
  { client_id, agent_event_ids, requested_at }: Job,
): Promise<boolean | null> {
  const values = [client_id, agent_event_ids, requested_at, MOST.rows];
  const hasMore = await callStep(manager, 'dispatch.forget_client($1, $2, $3, $4)', values);
  if (hasMore !== false) return hasMore;
  const [, forgotten]: [unknown[], number] = await manager.query(
    `delete from subscription.removed_agent_event where client_id = $1 and agent_event_id in (
       select agent_event_id from subscription.removed_agent_event
       where client_id = $1 and agent_event_id = any ($2::bigint[]) limit $3)`,
    [client_id, agent_event_ids, MOST.rows],
  );
  return forgotten > 0;
}

async function deleteApplications(manager: EntityManager, { client_id, requested_at }: Job): Promise<boolean> {
  const [, audited]: [unknown[], number] = await manager.query(
    `delete from access.audit where id in (
       select id from access.audit where client_id = $1 and at <= $2 order by id limit $3)`,
    [client_id, requested_at, MOST.rows],
  );
  if (audited > 0) return true;
  await manager.query('delete from access.application where client_id = $1 and created_at <= $2', [client_id, requested_at]);
  return false;
}

async function callStep(manager: EntityManager, step: string, values: readonly unknown[]): Promise<boolean | null> {
  const rows: { more: boolean | null }[] = await manager.query(`select ${step} as more`, [...values]);
  return rows[0]!.more;
}
