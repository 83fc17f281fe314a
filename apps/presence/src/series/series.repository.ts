import { arrayOfPlain, type Pool } from '#database';
import type { TelemetryItem } from '#contracts';
import type { TelemetryResult } from '../telemetry/agent-batch.js';

/** Status changes of a client in a minute. */
export interface ChangeCount {
  readonly clientId: number;
  /** Its beginning, in milliseconds since the epoch. */
  readonly minute: number;
  logins: number;
  logouts: number;
}

/** The last telemetry of an agent. */
export interface LastReport {
  readonly item: TelemetryItem;
  readonly result: TelemetryResult['result'];
  /** Reports since the last change that this instance has seen. */
  readonly sinceChange: number;
}

/** Adds counts, and notes how many agents were available at the end of each minute: those of now, less what changed later. */
export async function addChangeCounts(pool: Pool, counts: readonly ChangeCount[]): Promise<void> {
  await pool.query({
    name: 'presence_add_change_counts',
    text: `
      insert into presence.change_series as s (client_id, minute, logins, logouts, available)
      select c.client_id, to_timestamp(c.minute_ms / 1000), c.logins, c.logouts,
        greatest(0, now_available - coalesce(sum(c.logins - c.logouts) over (
          partition by c.client_id order by c.minute_ms desc rows between unbounded preceding and 1 preceding), 0))
      from unnest($1::bigint[], $2::float8[], $3::integer[], $4::integer[]) as c (client_id, minute_ms, logins, logouts)
      join (
        select of.client_id, count(a.agent_id) as now_available
        from (select distinct unnest($1::bigint[]) as client_id) of
        left join presence.agent a on a.client_id = of.client_id and a.agent_status = 'available' and a.deleted_at is null
        group by of.client_id
      ) agents on agents.client_id = c.client_id
      order by c.client_id, c.minute_ms
      on conflict (client_id, minute) do update
        set logins = s.logins + excluded.logins, logouts = s.logouts + excluded.logouts, available = excluded.available`,
    values: [
      arrayOfPlain(counts, ({ clientId }) => clientId),
      arrayOfPlain(counts, ({ minute }) => minute),
      arrayOfPlain(counts, ({ logins }) => logins),
      arrayOfPlain(counts, ({ logouts }) => logouts),
    ],
  });
}

/** Writes what agents reported last; a younger report of another instance stays. */
export async function putLastReports(pool: Pool, reports: readonly LastReport[]): Promise<void> {
  await pool.query({
    name: 'presence_put_last_reports',
    text: `
      insert into presence.last_report as l
        (client_id, agent_id, agent_type, reported_at, occurred_at, agent_status, event_source, result, since_change)
      select client_id, agent_id, agent_type, to_timestamp(reported_ms / 1000), to_timestamp(occurred_ms / 1000),
        agent_status, event_source, result, since_change
      from unnest($1::bigint[], $2::bigint[], $3::text[], $4::float8[], $5::float8[], $6::text[], $7::text[], $8::text[], $9::integer[])
        as r (client_id, agent_id, agent_type, reported_ms, occurred_ms, agent_status, event_source, result, since_change)
      order by client_id, agent_id
      on conflict (client_id, agent_id) do update
        set agent_type = excluded.agent_type, reported_at = excluded.reported_at, occurred_at = excluded.occurred_at,
          agent_status = excluded.agent_status, event_source = excluded.event_source, result = excluded.result,
          since_change = excluded.since_change
        where l.reported_at <= excluded.reported_at`,
    values: [
      arrayOfPlain(reports, ({ item }) => item.clientId),
      arrayOfPlain(reports, ({ item }) => item.agentId),
      arrayOfPlain(reports, ({ item }) => item.agentType),
      arrayOfPlain(reports, ({ item }) => item.receivedAt),
      arrayOfPlain(reports, ({ item }) => item.occurredAt),
      arrayOfPlain(reports, ({ item }) => item.agentStatus),
      arrayOfPlain(reports, ({ item }) => item.eventSource),
      arrayOfPlain(reports, ({ result }) => result),
      arrayOfPlain(reports, ({ sinceChange }) => sinceChange),
    ],
  });
}

/** Deletes minutes beyond the retention (milliseconds), at most so many at a time. */
export async function dropChangeCounts(pool: Pool, retentionMs: number, atMost: number): Promise<void> {
  await pool.query(
    `delete from presence.change_series where ctid = any (array(
       select ctid from presence.change_series where minute < now() - $1 * interval '1 ms' limit $2))`,
    [retentionMs, atMost],
  );
}

/** Deletes what agents reported last that have not reported for the retention (milliseconds), at most so many at a time. */
export async function dropLastReports(pool: Pool, retentionMs: number, atMost: number): Promise<void> {
  await pool.query(
    `delete from presence.last_report where ctid = any (array(
       select ctid from presence.last_report where reported_at < now() - $1 * interval '1 ms' limit $2))`,
    [retentionMs, atMost],
  );
}
