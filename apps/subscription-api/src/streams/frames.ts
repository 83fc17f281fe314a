/**
 * Server-Sent Events as text. Pure. A blank line ends an event, and some clients hand on an event for every blank line: so
 * what is no event (the time to wait before a reconnect, a sign of life) has none.
 */

export const RESET_REASONS = ['expired_cursor', 'unknown_cursor'] as const;
/** Why a cursor cannot be continued: what came after it is gone, or it was never given out (or by a database that is gone). */
export type ResetReason = (typeof RESET_REASONS)[number];

/** How soon a client reconnects, in milliseconds. */
const RETRY_MS = 2000;

/** What a stream begins with. */
export const OPENING = `retry: ${RETRY_MS}\n`;
/** A comment, which no client hands on. */
export const KEEP_ALIVE = ': alive\n';

/**
 * @param id cursor to resume after
 * @param data JSON-able; JSON has no line breaks of its own
 */
export function frameOf(id: number, event: string, data: unknown): string {
  return `id: ${id}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}

/** Tells a client that its cursor could not be continued, and where the stream goes on instead. */
export function resetFrame(cursor: number, reason: ResetReason): string {
  return frameOf(cursor, 'reset', { reason });
}

/** Encodes an event without an id, which no stream resumes after. */
export function hintFrame(event: string, data: unknown): string {
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}
