import type { Pool } from 'pg';
import { arrayOfPlain } from '#database';

/** A shard that is leased to this instance. */
export interface LeasedShard {
  readonly shard: number;
  /** Raised whenever the lease goes to another owner. */
  readonly epoch: number;
}

/**
 * Leases that are still this instance's, as a common table expression `lease (shard)`: whoever writes for the agents of a shard
 * locks its lease in the same statement, so that a new owner, who updates it, waits for what is being written and sees it. The
 * parameters are the owner, the shards and their epochs.
 */
export const leaseHeld = (owner: string, shards: string, epochs: string): string => `
  lease as materialized (
    select l.shard
    from unnest(${shards}::integer[], ${epochs}::bigint[]) as mine (shard, epoch)
    cross join lateral (
      select l.shard from dispatch.shard_lease l
      where l.shard = mine.shard and l.owner = ${owner}::uuid and l.epoch = mine.epoch and l.until > clock_timestamp()
      for share) l)`;

/** Takes leases that are free, and renews those that are this instance's. @returns those that it has now */
export async function takeLeases(
  pool: Pool,
  owner: string,
  base: number,
  shards: readonly number[],
  leaseMs: number,
): Promise<LeasedShard[]> {
  const { rows } = await pool.query<LeasedShard>({
    name: 'dispatch_take_leases',
    text: `
      with base as materialized (select from dispatch.shard_base where partitions = $4 for share),
      free as materialized (
        select l.shard from dispatch.shard_lease l
        where l.shard = any ($2::integer[]) and (l.owner = $1::uuid or l.until is null or l.until <= clock_timestamp())
          and exists (select from base)
        order by l.shard for update)
      update dispatch.shard_lease l
      set epoch = case when l.owner = $1::uuid then l.epoch else l.epoch + 1 end, owner = $1::uuid,
          until = clock_timestamp() + $3 * interval '1 ms'
      from free where l.shard = free.shard
      returning l.shard, l.epoch`,
    values: [owner, arrayOfPlain(shards, (shard) => shard), leaseMs, base],
  });
  return rows;
}

/** Gives leases back; they keep their last owner, who may take them again with what it remembers while nobody else has. */
export async function releaseLeases(pool: Pool, owner: string, shards: readonly number[]): Promise<void> {
  await pool.query({
    name: 'dispatch_give_back_leases',
    text: `update dispatch.shard_lease set until = null where owner = $1::uuid and shard = any ($2::integer[])`,
    values: [owner, arrayOfPlain(shards, (shard) => shard)],
  });
}

/**
 * Settles how many shards there are. The first to ask says it; later, a number of partitions that is a multiple leaves it as it is, since
 * every agent keeps its shard, and any other takes its place as soon as nobody has a lease any more.
 *
 * @returns the number, and the rows of the leases are there; it does not divide `partitions` while others have to give back first
 */
export async function shardBase(pool: Pool, partitions: number): Promise<number> {
  await pool.query(`insert into dispatch.shard_base (partitions) values ($1) on conflict do nothing`, [partitions]);
  let base = await recordedBase(pool);
  if (partitions % base !== 0) {
    await changeBase(pool, partitions);
    base = await recordedBase(pool);
  }
  await pool.query('insert into dispatch.shard_lease (shard) select generate_series(0, $1::integer - 1) on conflict do nothing', [
    base,
  ]);
  await pool.query(
    `insert into dispatch.shard_sweep (shard, position)
     select shard, coalesce((select min(position) from dispatch.shard_sweep), (select position from dispatch.log_sweep), 0)
     from generate_series(0, $1::integer - 1) shard on conflict do nothing`,
    [base],
  );
  return base;
}

async function recordedBase(pool: Pool): Promise<number> {
  const { rows } = await pool.query<{ partitions: number }>('select partitions from dispatch.shard_base');
  return rows[0]!.partitions;
}

/** Unless somebody has a lease. An agent's shard is another one then, so the log is looked through from where the last of them was. */
async function changeBase(pool: Pool, partitions: number): Promise<void> {
  // One message, and so one transaction, whose second statement sees what the first has waited for: whoever is taking leases has the
  // number locked until they can be seen. Parameters would need a message a statement.
  const next = Math.trunc(partitions);
  await pool.query(`
    select from dispatch.shard_base for update;
    with changed as (
      update dispatch.shard_base b set partitions = ${next}, changed_at = now()
      from (select partitions from dispatch.shard_base) former
      where ${next} % b.partitions <> 0
        and not exists (select from dispatch.shard_lease where until > clock_timestamp()) returning former.partitions)
    update dispatch.shard_sweep
    set position = (select min(s.position) from dispatch.shard_sweep s, changed where s.shard < changed.partitions)
    where exists (select from changed)`);
}
