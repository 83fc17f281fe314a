import { nameFieldOf, type StatusChange } from '#contracts';

/** What of a status change the notification's pairs tell. */
export type NotifiedChange = Pick<StatusChange, 'agentStatus' | 'agentType' | 'eventSource' | 'agentId' | 'name'>;

/**
 * The pairs of a notification, application/x-www-form-urlencoded as the WHATWG URL standard serializes it: contract §6.
 * The same string is the query (GET), the body (POST) and what is signed.
 */
export function encodePairs(change: NotifiedChange): string {
  return new URLSearchParams([
    ['agent_status', change.agentStatus],
    ['agent_type', change.agentType],
    ['event_source', change.eventSource],
    ['agent_id', String(change.agentId)],
    [nameFieldOf(change.agentType), change.name],
  ]).toString();
}
