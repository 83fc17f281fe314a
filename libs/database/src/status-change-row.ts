import type { StatusChange } from '#contracts';

/**
 * Converts a time to milliseconds since the epoch, in SQL; microseconds are cut off. Exact for every year: what is left is a whole number
 * of milliseconds, of which the epoch's binary fraction is off by far less than a half.
 */
export const millisecondsOf = (time: string): string => `round(date_part('epoch', date_trunc('milliseconds', ${time})) * 1000)`;

/** How each field of a change is read from a row of `presence.status_change`, or of what has its columns. */
const EXPRESSIONS: Readonly<Record<keyof StatusChange, (row: string) => string>> = {
  id: (row) => `${row}.id`,
  clientId: (row) => `${row}.client_id`,
  agentId: (row) => `${row}.agent_id`,
  agentType: (row) => `${row}.agent_type`,
  name: (row) => `${row}.name`,
  agentStatus: (row) => `${row}.agent_status`,
  eventSource: (row) => `${row}.event_source`,
  sequence: (row) => `${row}.sequence`,
  occurredAt: (row) => millisecondsOf(`${row}.occurred_at`),
  changedAt: (row) => millisecondsOf(`${row}.changed_at`),
  traceparent: (row) => `${row}.traceparent`,
};

/**
 * Lists the columns of a `select` whose rows are {@link StatusChange}s as the driver gives them: there is nothing to convert.
 *
 * @param row alias of `presence.status_change`
 */
export function statusChangeColumns(row: string): string {
  return Object.entries(EXPRESSIONS)
    .map(([field, expression]) => `${expression(row)} as "${field}"`)
    .join(', ');
}

/** Writes the columns of {@link statusChangeColumns} as one column of JSON; null where an outer join found no row. */
export function statusChangeJson(row: string): string {
  const pairs = Object.entries(EXPRESSIONS).map(([field, expression]) => `'${field}', ${expression(row)}`);
  return `case when ${row}.id is not null then json_build_object(${pairs.join(', ')}) end`;
}
