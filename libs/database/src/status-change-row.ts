import type { StatusChange } from '#contracts';

/** A row of `presence.status_change`. */
export interface StatusChangeRow {
  readonly id: string;
  readonly client_id: number;
  readonly agent_id: number;
  readonly agent_type: StatusChange['agentType'];
  readonly name: string;
  readonly agent_status: StatusChange['agentStatus'];
  readonly event_source: StatusChange['eventSource'];
  readonly sequence: number;
  readonly occurred_at: Date;
  readonly changed_at: Date;
  /** Null: the change's own; absent: not asked for. */
  readonly traceparent?: string | null;
}

/** Reads a change from its row in the log. */
export function statusChangeOf(row: StatusChangeRow): StatusChange {
  return {
    id: row.id,
    clientId: row.client_id,
    agentId: row.agent_id,
    agentType: row.agent_type,
    name: row.name,
    agentStatus: row.agent_status,
    eventSource: row.event_source,
    sequence: row.sequence,
    occurredAt: row.occurred_at,
    changedAt: row.changed_at,
    traceparent: row.traceparent ?? undefined,
  };
}
