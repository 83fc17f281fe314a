import type { AgentStatus, AgentType, EventSource } from '#contracts';
import { millisecondsOf } from '#database';
import { afterFanOut } from '#tracing';
import { encodePairs } from '#webhook';
import type { Change } from '../lanes/agent-work.js';

/**
 * The head of a row `b` of an agent event `e` under an agent's cursor `c`: the first change at or above a sequence that it matches
 * and that is not finished. It matches by the types that the agent event had then. The bound of the
 * ids says what is older than anything it can wait for; as an expression, or the planner would go by the ids of all agents' changes.
 */
export const headOf = (from: string, windowMs: string): string => `
  left join lateral (
    select s.id, s.agent_status, s.agent_type, s.event_source, s.agent_id, s.name, ${millisecondsOf('s.occurred_at')} as occurred_ms,
           s.sequence, s.traceparent,
           (extract(epoch from s.changed_at - now()) * 1000)::double precision + ${windowMs} as expires_in_ms
    from presence.status_change s
    where s.client_id = b.client_id and s.agent_id = b.agent_id and s.sequence >= ${from} and s.sequence <= c.last_sequence
      and coalesce(s.id, b.head_change_id) >= presence.uuid_v7_floor(b.since - ${windowMs} * interval '1 ms' - interval '1 hour')
      and case s.agent_status when 'available' then 'agent-login' else 'agent-logout' end
        = subscription.event_type_at(e.event_type, e.former_types, s.changed_at)
      and coalesce(subscription.agent_type_at(e.agent_type, e.former_types, s.changed_at), s.agent_type) = s.agent_type
      and (e.until_sequence is null or s.sequence <= e.until_sequence)
      and not exists (
        select from dispatch.attempt t
        where t.agent_event_id = b.agent_event_id and t.change_id = s.id and t.outcome in ('delivered', 'failed', 'dropped') offset 0)
    order by s.position limit 1) s on true`;

/** The columns of a head. */
export const HEAD =
  's.id as change_id, s.agent_status, s.agent_type, s.event_source, s.name, s.occurred_ms, s.sequence, s.expires_in_ms, s.traceparent';

export interface HeadLine {
  change_id: string | null;
  agent_status: AgentStatus;
  agent_type: AgentType;
  event_source: EventSource;
  agent_id: number;
  name: string;
  occurred_ms: number;
  sequence: number;
  expires_in_ms: number;
  traceparent: string | null;
}

/** Reads a head; undefined where there is none. @param readAt when the statement began, in milliseconds of `performance.now()` */
export function headOfLine(line: HeadLine, readAt: number): Change | undefined {
  if (line.change_id === null) return undefined;
  return {
    id: line.change_id,
    sequence: line.sequence,
    pairs: encodePairs({
      agentId: line.agent_id,
      agentStatus: line.agent_status,
      agentType: line.agent_type,
      eventSource: line.event_source,
      name: line.name,
    }),
    occurredAt: line.occurred_ms,
    expiresAt: readAt + line.expires_in_ms,
    traceparent: afterFanOut({ id: line.change_id, traceparent: line.traceparent ?? undefined }),
  };
}
