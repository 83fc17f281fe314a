import { Inject, Injectable } from '@nestjs/common';
import { DataSource, IsNull, type EntityManager, type FindOptionsWhere } from 'typeorm';
import { uuidv7 } from 'uuidv7';
import { recordAudit } from '#applications';
import type { Principal } from '#auth';
import { AgentEventEntity, poolOf } from '#database';
import type { ServiceSettings } from '#runtime';
import { AgentRepository } from '../agents/agents.module.js';
import { SETTINGS } from '../core.module.js';
import { isAgent, type AgentRef, type Scope } from '../http/path-params.js';
import type { AgentEvent, AgentEventPatch, NewAgentEvent, NewAllAgentsEvent } from './agent-event.schema.js';

/** Removed agent events that are forgotten at a time: a statement stays far below its timeout, whatever a client has added and removed. */
const FORGOTTEN_AT_ONCE = 10_000;

/** Who adds, changes or removes. */
type Caller = Pick<Principal, 'applicationId' | 'appId'>;

/** What stood in the way of a new agent event. */
export type Refusal = 'event_limit_exceeded' | 'agent_not_found';

/** An {@link AgentEvent}, for statements that are too frequent for the entity manager. */
const COLUMNS = `id, client_id as "clientId", agent_id as "agentId", agent_type as "agentType", url, method, event_type as "eventType"`;

/**
 * The usage row as the statement's snapshot has it. A statement that waits for the row goes on with its old snapshot of
 * everything else, in which an agent may stand that was removed meanwhile; so it raises the count only of this version.
 */
const SEEN = 'seen as materialized (select xmin as version from subscription.client_usage where client_id = $1)';
const RAISABLE = `u.client_id = $1 and u.xmin = seen.version and u.agent_event_used < coalesce(u.agent_event_limit, $2)
  and exists (select from subscription.webhook_secret where client_id = $1 and expires_at is null)`;

/**
 * SQL that sets the usage row's mark that the count is near its limit, so that a notice is sent once: see
 * `subscription.near_limit`.
 *
 * @param used SQL of the count to be
 * @param limit SQL of the limit of all clients
 */
const nearLimit = (used: string, limit: string): string =>
  `near_limit = subscription.near_limit(${used}, coalesce(u.agent_event_limit, ${limit}), u.near_limit)`;
/** One more is added. */
const RAISE = `agent_event_used = u.agent_event_used + 1, ${nearLimit('u.agent_event_used + 1', '$2')}`;

/** So many former types of an agent event are kept, and for so long: longer than anything waits for it. */
const FORMER_TYPES = 100;
const FORMER_TYPES_FOR = '31 days';
/** Writes down until when an agent event had the types before: what was changed up to now is still for it by those. */
const KEEP_TYPES = `
  update subscription.agent_event e
  set former_types = (
    select jsonb_agg(kept.value order by kept.place) from (
      select f.value, f.place
      from jsonb_array_elements(coalesce(e.former_types, '[]') || jsonb_build_object(
        'until', clock_timestamp(), 'event_type', $2::text, 'agent_type', $3::text)) with ordinality f (value, place)
      where (f.value ->> 'until')::timestamptz > now() - $5::interval
      order by f.place desc limit $4::integer) kept)
  where e.id = $1`;

/** What the audit log says of an agent event: of its url no query, which may be a secret. */
const AUDITED = `jsonb_build_object('url', substring(url from '^[^?#]*'), 'method', method, 'event_type', event_type, 'agent_id', agent_id, 'agent_type', agent_type)`;
/** @param by SQL of who adds it */
const auditAddition = (by: string): string => `
    audited as (
      insert into access.audit (client_id, by, action, subject, detail)
      select client_id, ${by}, 'agent_event.added', id, ${AUDITED} from added)
    select ${COLUMNS} from added`;

const ADD_FOR_AGENT = {
  name: 'add_agent_event',
  text: `
    with ${SEEN}, used as (
      update subscription.client_usage u set ${RAISE}
      from seen, presence.agent a
      where ${RAISABLE} and a.client_id = $1 and a.agent_id = $7 and a.agent_type = $8 and a.deleted_at is null
      returning a.client_id, a.agent_id, a.agent_type, a.sequence),
    added as (
      insert into subscription.agent_event
        (client_id, application_id, agent_id, agent_type, url, method, event_type, after_sequence)
      select client_id, $3, agent_id, agent_type, $4, $5, $6, sequence from used
      returning *),${auditAddition('$9')}`,
};

/**
 * What is fanned out already comes no more, so only agents with a change that is still on its way there need a start. Each
 * agent's cursor is read by its key: a join could compare each with each where the planner has no statistics yet.
 */
const ADD_FOR_CLIENT = {
  name: 'add_client_event',
  text: `
    with ${SEEN}, used as (
      update subscription.client_usage u set ${RAISE}
      from seen where ${RAISABLE} returning u.client_id),
    added as (
      insert into subscription.agent_event (client_id, application_id, agent_type, url, method, event_type)
      select client_id, $3, $7, $4, $5, $6 from used returning *),
    started as (
      insert into subscription.client_event_start (agent_event_id, agent_id, after_sequence)
      select added.id, a.agent_id, a.sequence
      from added
      join presence.agent a on a.client_id = $1 and a.sequence > 0
      left join lateral (
        select c.last_sequence from dispatch.agent_cursor c
        where c.client_id = a.client_id and c.agent_id = a.agent_id limit 1) c on true
      where c.last_sequence is null or c.last_sequence < a.sequence),${auditAddition('$8')}`,
};

/**
 * Stores agent events and counts them. Every transaction that changes the count locks the client's usage row first, so that
 * writers of one client run one after another and cannot deadlock.
 */
@Injectable()
export class AgentEventRepository {
  constructor(
    private readonly dataSource: DataSource,
    private readonly agents: AgentRepository,
    @Inject(SETTINGS) private readonly settings: Pick<ServiceSettings, 'AGENT_EVENT_LIMIT'>,
  ) {}

  async find(scope: Scope, id: number): Promise<AgentEvent | undefined> {
    const select = `select ${COLUMNS} from subscription.agent_event where id = $1 and client_id = $2 and until_sequence is null`;
    const { rows } = await poolOf(this.dataSource).query<AgentEvent>(
      isAgent(scope)
        ? {
            name: 'find_agent_event',
            text: `${select} and agent_id = $3 and agent_type = $4`,
            values: [id, scope.clientId, scope.agentId, scope.agentType],
          }
        : { name: 'find_client_event', text: `${select} and agent_id is null`, values: [id, scope.clientId] },
    );
    return rows[0];
  }

  list(scope: Scope, skip: number, take: number): Promise<AgentEventEntity[]> {
    return this.dataSource.getRepository(AgentEventEntity).find({ where: whereOf(scope), order: { id: 'ASC' }, skip, take });
  }

  /**
   * Adds an agent event in a single statement that checks the limit, counts and inserts. Parallel additions never exceed the
   * limit.
   *
   * @returns undefined: nothing was done, and {@link addInTurn} is to be asked; there is no such agent, no usage row or no
   *   secret yet, the limit is used up, or another writer of the client came first
   */
  async add(scope: Scope, event: NewAgentEvent | NewAllAgentsEvent, by: Caller): Promise<AgentEvent | undefined> {
    const { rows } = await poolOf(this.dataSource).query<AgentEvent>(this.addition(scope, event, by));
    return rows[0];
  }

  /**
   * Adds an agent event after locking the client's usage row, so that no other writer of the client can interfere.
   *
   * @param ensureSecret makes the client's signing secret where it has none
   */
  addInTurn(
    scope: Scope,
    event: NewAgentEvent | NewAllAgentsEvent,
    by: Caller,
    ensureSecret: (manager: EntityManager) => Promise<void>,
  ): Promise<AgentEvent | Refusal> {
    return this.dataSource.transaction(async (manager) => {
      await lockUsage(manager, scope.clientId);
      await ensureSecret(manager);
      const { text, values } = this.addition(scope, event, by);
      const [added]: AgentEvent[] = await manager.query(text, values);
      if (added) return added;
      const { limit, used } = await this.usage(scope.clientId, manager);
      return used >= limit ? 'event_limit_exceeded' : 'agent_not_found';
    });
  }

  /**
   * Changes the fields that are given. Waiting notifications go to a new url, in order; a new type applies to later status
   * changes only.
   */
  change(scope: Scope, id: number, patch: AgentEventPatch, { appId: by }: Caller): Promise<AgentEventEntity | null> {
    return this.dataSource.transaction(async (manager) => {
      const events = manager.getRepository(AgentEventEntity);
      const found = await events.findOne({ where: { ...whereOf(scope), id }, lock: { mode: 'pessimistic_write' } });
      if (!found) return null;
      const { url, method, eventType, agentType } = found;
      const changed = await events.save(
        events.merge(found, {
          ...(patch.url !== undefined && { url: patch.url }),
          ...(patch.method !== undefined && { method: patch.method }),
          ...(patch.event_type !== undefined && { eventType: patch.event_type }),
          ...(patch.agent_type !== undefined && { agentType: patch.agent_type }),
        }),
      );
      if (changed.eventType !== eventType || changed.agentType !== agentType)
        await manager.query(KEEP_TYPES, [id, eventType, agentType, FORMER_TYPES, FORMER_TYPES_FOR]);
      if (changed.url !== url) await manager.query('select dispatch.wake_event($1)', [id]);
      const detail = changesOf({ url, method, eventType, agentType }, changed);
      if (Object.keys(detail).length > 0)
        await recordAudit(manager, { clientId: scope.clientId, by, action: 'agent_event.changed', subject: id, detail });
      return changed;
    });
  }

  async remove(scope: Scope, id: number, by: Caller): Promise<boolean> {
    return (await this.removing(scope.clientId, { ...whereOf(scope), id }, by)) > 0;
  }

  /** Removes the agent events that the calling application added. */
  async removeOf(scope: Scope, by: Caller): Promise<void> {
    await this.removing(scope.clientId, { ...whereOf(scope), applicationId: by.applicationId }, by);
  }

  /**
   * Removes an agent together with its agent events. They are hidden and uncounted at once, and deleted when the agent's last
   * change has been notified ({@link deleteFinished}).
   *
   * @returns false: no such agent
   */
  removeAgent(agent: AgentRef, by: Caller): Promise<boolean> {
    return this.dataSource.transaction(async (manager) => {
      await lockUsage(manager, agent.clientId);
      const sequence = await this.agents.remove(agent, uuidv7(), manager);
      if (sequence === undefined) return false;
      const ids = (await manager.find(AgentEventEntity, { select: { id: true }, where: whereOf(agent) })).map(({ id }) => id);
      await auditRemoval(manager, ids, by);
      const { affected } = await manager.update(AgentEventEntity, whereOf(agent), { untilSequence: sequence });
      await this.lowerUsage(manager, agent.clientId, affected ?? 0);
      return true;
    });
  }

  /** Deletes agent events of removed agents whose last notifications are done. */
  async deleteFinished(): Promise<void> {
    await this.dataSource.query(
      `delete from subscription.agent_event e
       where e.until_sequence is not null
         and (e.until_sequence <= e.after_sequence
           or exists (select from dispatch.agent_cursor c
                      where c.client_id = e.client_id and c.agent_id = e.agent_id and c.last_sequence >= e.until_sequence))
         and not exists (select from dispatch.behind b where b.agent_event_id = e.id)
         and not exists (select from dispatch.redelivery r where r.agent_event_id = e.id)`,
    );
  }

  /** Forgets agent events that were gone before any attempt was made that is still kept, a bounded number at a time. */
  async forgetRemoved(): Promise<void> {
    await this.dataSource.query(
      `delete from subscription.removed_agent_event where (client_id, agent_event_id) in (
         select client_id, agent_event_id from subscription.removed_agent_event
         where removed_at < (select dispatch.attempts_since()) order by removed_at limit ${FORGOTTEN_AT_ONCE})`,
    );
  }

  async usage(
    clientId: number,
    manager: EntityManager = this.dataSource.manager,
  ): Promise<{ readonly limit: number; readonly used: number }> {
    const rows: { agent_event_used: number; agent_event_limit: number | null }[] = await manager.query(
      'select agent_event_used, agent_event_limit from subscription.client_usage where client_id = $1',
      [clientId],
    );
    return { limit: rows[0]?.agent_event_limit ?? this.settings.AGENT_EVENT_LIMIT, used: rows[0]?.agent_event_used ?? 0 };
  }

  /** @param limit null: the setting's; what is there already stays */
  async setLimit(clientId: number, limit: number | null): Promise<void> {
    await this.dataSource.query(
      `insert into subscription.client_usage as u (client_id, agent_event_limit) values ($1, $2)
       on conflict (client_id) do update
         set agent_event_limit = excluded.agent_event_limit,
             near_limit = subscription.near_limit(u.agent_event_used, coalesce(excluded.agent_event_limit, $3), u.near_limit)`,
      [clientId, limit, this.settings.AGENT_EVENT_LIMIT],
    );
  }

  /**
   * Builds the statement that adds an agent event. For one agent it starts after the agent's current sequence, for all agents
   * after each one's own: ADR 7.
   */
  private addition(
    scope: Scope,
    { url, method, event_type, ...event }: NewAgentEvent | NewAllAgentsEvent,
    { applicationId, appId }: Caller,
  ) {
    const { clientId } = scope;
    const common = [clientId, this.settings.AGENT_EVENT_LIMIT, applicationId, url, method, event_type];
    if (isAgent(scope)) return { ...ADD_FOR_AGENT, values: [...common, scope.agentId, scope.agentType, appId] };
    return { ...ADD_FOR_CLIENT, values: [...common, 'agent_type' in event ? event.agent_type : null, appId] };
  }

  private removing(clientId: number, where: FindOptionsWhere<AgentEventEntity>, by: Caller): Promise<number> {
    return this.dataSource.transaction(async (manager) => {
      await lockUsage(manager, clientId);
      const ids = (await manager.find(AgentEventEntity, { select: { id: true }, where })).map(({ id }) => id);
      if (ids.length === 0) return 0;
      await manager.query(
        `select dispatch.wake_event(id) from unnest($1::bigint[]) as e (id)
         where exists (select from dispatch.behind b where b.agent_event_id = e.id)`,
        [ids],
      );
      await auditRemoval(manager, ids, by);
      await manager.query('delete from subscription.agent_event where id = any ($1::bigint[])', [ids]);
      await this.lowerUsage(manager, clientId, ids.length);
      return ids.length;
    });
  }

  /**
   * Subtracts removed agent events from the count, whose row the caller has locked. Where the count is too low for that (rows
   * were inserted by hand), it counts the remaining rows instead.
   */
  private async lowerUsage(manager: EntityManager, clientId: number, by: number): Promise<void> {
    await manager.query(
      `update subscription.client_usage u set agent_event_used = left_over.used, ${nearLimit('left_over.used', '$3')}
       from (select case when agent_event_used >= $2 then agent_event_used - $2
                    else (select count(*) from subscription.agent_event where client_id = $1 and until_sequence is null) end as used
             from subscription.client_usage where client_id = $1) left_over
       where client_id = $1`,
      [clientId, by, this.settings.AGENT_EVENT_LIMIT],
    );
  }
}

async function lockUsage(manager: EntityManager, clientId: number): Promise<void> {
  await manager.query('insert into subscription.client_usage (client_id) values ($1) on conflict do nothing', [clientId]);
  await manager.query('select from subscription.client_usage where client_id = $1 for update', [clientId]);
}

async function auditRemoval(manager: EntityManager, ids: readonly number[], { appId }: Caller): Promise<void> {
  await manager.query(
    `insert into access.audit (client_id, by, action, subject, detail)
     select client_id, $2, 'agent_event.removed', id, ${AUDITED} from subscription.agent_event where id = any ($1::bigint[]) order by id`,
    [ids, appId],
  );
}

/**
 * Lists the changed fields by their API name with old and new value, for the audit log; urls without their query, as in {@link
 * AUDITED}.
 */
function changesOf(
  before: Pick<AgentEvent, 'url' | 'method' | 'eventType' | 'agentType'>,
  after: AgentEvent,
): Record<string, { readonly from: unknown; readonly to: unknown }> {
  const names = { url: 'url', method: 'method', eventType: 'event_type', agentType: 'agent_type' } as const;
  const keys = Object.keys(names) as (keyof typeof names)[];
  const shown = (event: typeof before, key: keyof typeof names) => (key === 'url' ? event.url.split(/[?#]/, 1)[0] : event[key]);
  return Object.fromEntries(
    keys
      .filter((key) => before[key] !== after[key])
      .map((key) => [names[key], { from: shown(before, key), to: shown(after, key) }]),
  );
}

function whereOf(scope: Scope): FindOptionsWhere<AgentEventEntity> {
  const visible = { clientId: scope.clientId, untilSequence: IsNull() };
  if (!isAgent(scope)) return { ...visible, agentId: IsNull() };
  return { ...visible, agentId: scope.agentId, agentType: scope.agentType };
}
