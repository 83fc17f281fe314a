import type { Pool } from 'pg';

/** Tells the instances that one has come or gone, or has given shards back: they look at the leases at once. The payload is who. */
export const SHARDS_CHANNEL = 'rollcall_shards';

/**
 * Says that an instance lives, and forgets those that no longer do. That it is new is told the others.
 *
 * @returns how many live, this one included
 */
export async function announceInstance(pool: Pool, instance: string, leaseMs: number): Promise<number> {
  const { rows } = await pool.query<{ live: number }>(
    `with gone as (
       delete from presence.relay_instance where seen_until < now() and instance <> $1
     ), mine as (
       insert into presence.relay_instance (instance, seen_until) values ($1, now() + make_interval(secs => $2))
       on conflict (instance) do update set seen_until = excluded.seen_until
       returning xmax = 0 as is_new
     )
     select 1 + count(*) as live, (select count(pg_notify('${SHARDS_CHANNEL}', $3)) from mine where is_new) as told
     from presence.relay_instance where instance <> $1 and seen_until >= now()`,
    [instance, leaseMs / 1000, instance],
  );
  return rows[0]!.live;
}

/**
 * Renews the leases of an instance and takes free shards, or expired ones, up to its share. Skips what another instance
 * is taking at this moment, so two that start together do not wait for each other.
 *
 * @returns the shards that the instance now holds; more than its share where it held more
 */
export async function leaseShards(pool: Pool, instance: string, leaseMs: number, share: number): Promise<number[]> {
  const { rows } = await pool.query<{ shard: number }>(
    `with kept as (
       update presence.relay_shard set lease_until = now() + make_interval(secs => $2)
       where owner = $1 and lease_until > now()
       returning shard
     ), free as (
       select shard from presence.relay_shard
       where owner is null or lease_until <= now()
       order by shard limit greatest(0, $3 - (select count(*) from kept))
       for update skip locked
     ), taken as (
       update presence.relay_shard s set owner = $1, lease_until = now() + make_interval(secs => $2)
       from free where s.shard = free.shard
       returning s.shard
     )
     select shard from kept union all select shard from taken order by shard`,
    [instance, leaseMs / 1000, share],
  );
  return rows.map((row) => row.shard);
}

/** Gives shards back and tells so: another instance need not wait for the leases to expire, nor for its own next look at them. */
export async function releaseShards(pool: Pool, instance: string, shards: readonly number[]): Promise<void> {
  await pool.query(
    `with released as (
       update presence.relay_shard set owner = null, lease_until = null where owner = $1 and shard = any ($2::smallint[])
     )
     select pg_notify('${SHARDS_CHANNEL}', $3)`,
    [instance, shards, instance],
  );
}

/** Gives everything back and tells so: the instance stops. */
export async function removeInstance(pool: Pool, instance: string): Promise<void> {
  await pool.query(
    `with mine as (
       delete from presence.relay_instance where instance = $1
     ), released as (
       update presence.relay_shard set owner = null, lease_until = null where owner = $1
     )
     select pg_notify('${SHARDS_CHANNEL}', $2)`,
    [instance, instance],
  );
}
