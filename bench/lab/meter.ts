import type pg from 'pg';
import type { Measurement } from '../row.js';
import { processorSeconds, tellsProcessorTime, type ProcessRef } from './processor.js';

/** What is looked at while items go through. */
export interface Metered {
  readonly processes: Readonly<Record<string, readonly ProcessRef[]>>;
  /** Of the server whose write-ahead log counts. */
  readonly pool?: pg.Pool;
}

/**
 * Measures what some items take: the rate until they are through, processor time and write-ahead log until nothing of them is left
 * to do.
 *
 * @param work puts the items through
 * @param settled waits for what is done after that, such as committing offsets
 * @returns the items a second as the one value
 */
export async function metered(
  { processes, pool }: Metered,
  items: number,
  work: () => Promise<void>,
  settled: () => Promise<void> = () => Promise.resolve(),
): Promise<Measurement> {
  const log = await position(pool);
  const before = times(processes);
  const startedAt = performance.now();
  await work();
  const seconds = (performance.now() - startedAt) / 1000;
  await settled();
  const after = times(processes);
  const written = (await position(pool)) - log;
  const entries = Object.keys(after).map((name) => [name, ((after[name]! - before[name]!) / items) * 1e6] as const);
  return {
    values: [items / seconds],
    items,
    seconds,
    processor: entries.length === 0 ? undefined : Object.fromEntries(entries),
    wal: pool && written / items,
  };
}

/** @returns seconds by name; nothing where the system does not tell them */
function times(processes: Metered['processes']): Record<string, number> {
  if (!tellsProcessorTime()) return {};
  return Object.fromEntries(
    Object.entries(processes).map(([name, refs]) => [name, refs.reduce((sum, ref) => sum + processorSeconds(ref), 0)]),
  );
}

/** @returns bytes of the write-ahead log since the server was made */
async function position(pool: pg.Pool | undefined): Promise<number> {
  if (!pool) return 0;
  const { rows } = await pool.query<{ bytes: string }>(`select pg_current_wal_insert_lsn() - '0/0'::pg_lsn as bytes`);
  return Number(rows[0]!.bytes);
}
