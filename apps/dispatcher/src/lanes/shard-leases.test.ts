import { pino } from 'pino';
import { afterEach, expect, it } from 'vitest';
import { useTestPool } from '../../../../test/support/postgres.js';
import { shardBase } from './shard-lease.repository.js';
import { ShardLeases } from './shard-leases.js';

const pool = useTestPool();
const started: ShardLeases[] = [];

function start(): ShardLeases {
  const leases = new ShardLeases({
    pool: pool(),
    timeoutMs: 20_000,
    leaseMs: 60_000,
    logger: pino({ level: 'silent' }),
    onTaken: () => undefined,
    onEnding: () => Promise.resolve(),
    endMs: 20_000,
  });
  started.push(leases);
  return leases;
}

afterEach(async () => {
  for (const leases of started.splice(0)) await leases.stop();
});

it('keeps nobody waiting for a shard that is given up before it was had', async () => {
  const [owner, next] = [start(), start()];
  await owner.assign([0], 1);
  await owner.ready(0, AbortSignal.timeout(20_000));
  await next.assign([0], 1);
  const waiting = next.ready(0, AbortSignal.timeout(20_000));
  const refused = expect(waiting).rejects.toThrow('given up before its shard was taken');
  await next.revoke();
  await refused;

  await next.assign([0], 1);
  const again = next.ready(0, AbortSignal.timeout(20_000));
  await owner.revoke();
  await again;
});

it('has the log looked through from where the last shard was, once agents are in other shards than before', async () => {
  const positions = async (): Promise<number[]> => {
    const { rows } = await pool().query<{ position: number }>('select position from dispatch.shard_sweep order by shard');
    return rows.map(({ position }) => position);
  };
  await pool().query('truncate dispatch.shard_base, dispatch.shard_lease, dispatch.shard_sweep');
  expect(await shardBase(pool(), 2)).toBe(2);
  await pool().query('update dispatch.shard_sweep set position = case shard when 0 then 50 else 30 end');
  expect(await shardBase(pool(), 4)).toBe(2);
  expect(await positions()).toEqual([50, 30]);
  expect(await shardBase(pool(), 3)).toBe(3);
  expect(await positions()).toEqual([30, 30, 30]);
});
