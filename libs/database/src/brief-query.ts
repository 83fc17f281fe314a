import type { Pool, QueryResult, QueryResultRow } from 'pg';

/**
 * Asks something that may be left unanswered, such as a sample for a gauge, and has the server give it up in time. Without parameters.
 *
 * @param text one statement
 * @param mostMs longest that the server works on it, in milliseconds
 * @throws the database's error, 57014 when it took longer
 */
export async function queryBriefly<R extends QueryResultRow>(pool: Pool, text: string, mostMs: number): Promise<R[]> {
  // Statements that are sent as one are one transaction, which the bound is local to; it is counted for each of them anew.
  const bounded = `select set_config('statement_timeout', '${mostMs}', true); ${text}`;
  const results = (await pool.query(bounded)) as unknown as QueryResult<R>[];
  return results.at(-1)!.rows;
}
