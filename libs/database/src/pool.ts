import type { Pool, QueryResult, QueryResultRow } from 'pg';
import { Gauge, type Registry } from 'prom-client';

/** Tells how the connections of a service's pool are used, and how many statements wait for one, whenever that is asked for. */
export function measurePool(pool: Pool, registry: Registry): void {
  new Gauge({
    name: 'rollcall_db_pool_connections',
    help: 'Connections to the primary database by state; waiting: statements that there is none for.',
    labelNames: ['state'],
    registers: [registry],
    collect() {
      this.set({ state: 'idle' }, pool.idleCount);
      this.set({ state: 'used' }, pool.totalCount - pool.idleCount);
      this.set({ state: 'waiting' }, pool.waitingCount);
    },
  });
  const most = new Gauge({
    name: 'rollcall_db_pool_size',
    help: 'Most connections to the primary database that this service opens.',
    registers: [registry],
  });
  most.set(pool.options.max);
}

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
