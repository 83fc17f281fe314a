import { randomInt, randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { StatusChange } from '#contracts';
import { createDataSource, poolOf } from '#database';
import { CLIENT, DispatcherWorld } from '../../../../test/support/dispatcher-world.js';
import { fanOut } from '../fan-out/fan-out.repository.js';
import type { DeliveryJob } from './job.js';
import { claimDue, findOrphanLanes, promoteLanes, rehome, release, type Lease } from './queue.repository.js';
import { finish, postpone } from './results.repository.js';

const WINDOW_MS = 3_600_000;
const URL = 'http://127.0.0.1/x';

function recordOf(job: DeliveryJob) {
  const { lane, sequence, agentEventId, changeId, attempts } = job;
  const attemptedAt = new Date();
  return {
    lane,
    sequence,
    agentEventId,
    changeId,
    attempt: attempts + 1,
    attemptedAt,
    latencyMs: 1,
    httpStatus: 200,
    error: null,
    response: '',
  };
}

/** One dispatcher without the network: its attempts succeed at random, and are checked as they are made. */
class Instance {
  readonly lease: Lease = { owner: randomUUID(), ms: 20_000 };
  readonly errors: unknown[] = [];
  private busy = 0;

  constructor(
    private readonly pool: pg.Pool,
    private readonly attempted: (job: DeliveryJob, start: boolean, delivered: boolean) => void,
  ) {}

  async publish(changes: readonly StatusChange[]): Promise<void> {
    for (let remaining = changes; remaining.length > 0;) {
      const { jobs, contended } = await fanOut(this.pool, remaining, WINDOW_MS, this.lease, randomInt(0, 4));
      this.deliver(jobs);
      remaining = remaining.filter(({ clientId, agentId }) => contended.has(`${clientId}:${agentId}`));
    }
  }

  deliver(jobs: readonly DeliveryJob[]): void {
    if (jobs.length === 0) return;
    this.busy += 1;
    void this.attempt(jobs).then(
      () => (this.busy -= 1),
      (error: unknown) => {
        this.busy -= 1;
        this.errors.push(error);
      },
    );
  }

  async claim(): Promise<void> {
    const { jobs, strayed } = await claimDue(this.pool, 10, this.lease);
    this.deliver(jobs);
    if (strayed.length === 0) return;
    await release(
      this.pool,
      strayed.map((job) => ({ ...job, delayMs: 5 })),
      this.lease.owner,
    );
    for (const id of new Set(strayed.map(({ agentEventId }) => agentEventId))) await rehome(this.pool, id);
  }

  async idle(): Promise<void> {
    while (this.busy > 0) await delay(2);
  }

  private async attempt(jobs: readonly DeliveryJob[]): Promise<void> {
    for (const job of jobs) this.attempted(job, true, false);
    await delay(randomInt(0, 3));
    const failing = jobs.filter(() => randomInt(0, 5) === 0);
    const delivered = jobs.filter((job) => !failing.includes(job));
    for (const job of jobs) this.attempted(job, false, delivered.includes(job));
    if (failing.length > 0) {
      await postpone(
        this.pool,
        failing.map((job) => ({ ...recordOf(job), delayMs: randomInt(0, 5) })),
        this.lease.owner,
      );
    }
    const lanes = await finish(
      this.pool,
      delivered.map((job) => ({ ...recordOf(job), outcome: 'delivered' as const })),
      this.lease.owner,
    );
    for (let waiting = lanes; waiting.length > 0;) {
      const { jobs: next, contended } = await promoteLanes(this.pool, waiting, this.lease);
      this.deliver(next);
      waiting = contended;
    }
  }
}

describe('lanes', () => {
  let world: DispatcherWorld;
  let pool: pg.Pool;
  let close: () => Promise<void>;

  beforeEach(async () => {
    world = await DispatcherWorld.create();
    const dataSource = createDataSource({ url: world.database.url, applicationName: 'test', poolSize: 12 });
    await dataSource.initialize();
    pool = poolOf(dataSource);
    close = () => dataSource.destroy();
  });

  afterEach(async () => {
    await close();
    await world.remove();
  });

  it('takes a change once, however many fan it out at the same time', async () => {
    for (let agent = 1; agent <= 20; agent++) await world.subscribe(agent, URL);
    const changes: StatusChange[] = [];
    for (let agent = 1; agent <= 20; agent++) for (let n = 0; n < 3; n++) changes.push(await world.log(agent));
    const results = await Promise.all(
      Array.from({ length: 10 }, () => fanOut(pool, changes, WINDOW_MS, { owner: randomUUID(), ms: 1000 }, 1000)),
    );
    expect(results.reduce((sum, { queued }) => sum + queued, 0)).toBe(40);
    expect(results.flatMap(({ jobs }) => jobs).length).toBe(20);
    const queue = await world.queue();
    expect(queue.filter(({ due }) => due).every(({ sequence, followed }) => sequence === 1 && followed)).toBe(true);
    expect(queue.filter(({ due }) => !due).every(({ sequence, followed }) => sequence === 3 && !followed)).toBe(true);
  });

  it('waits for a result that is being written, and takes the lane that it frees', async () => {
    const id = await world.subscribe(1, URL);
    const lease = { owner: randomUUID(), ms: 1000 };
    await fanOut(pool, [await world.log(1)], WINDOW_MS, lease, 10);
    const finisher = await world.pool.connect();
    await finisher.query('begin');
    await finisher.query('delete from dispatch.queue where agent_event_id = $1', [id]);
    const second = fanOut(pool, [await world.log(1), await world.log(1)], WINDOW_MS, lease, 10);
    await waitForLock(world.pool);
    await finisher.query('commit');
    finisher.release();
    expect((await second).jobs).toMatchObject([{ sequence: 3 }]);
  });

  it('tells a result that somebody queued behind it while it waited', async () => {
    await world.subscribe(1, URL);
    const lease = { owner: randomUUID(), ms: 1000 };
    const { jobs } = await fanOut(pool, [await world.log(1)], WINDOW_MS, lease, 10);
    const inserter = await world.pool.connect();
    await inserter.query('begin');
    await inserter.query('update dispatch.queue set followed = true');
    const finishing = finish(
      pool,
      jobs.map((job) => ({ ...recordOf(job), outcome: 'delivered' as const })),
      lease.owner,
    );
    await waitForLock(world.pool);
    await inserter.query('commit');
    inserter.release();
    expect(await finishing).toEqual([jobs[0]!.lane]);
  });

  it('begins again when the lanes were rearranged since its snapshot', async () => {
    const id = await world.subscribe(1, URL);
    const lease = { owner: randomUUID(), ms: 1000 };
    await fanOut(pool, [await world.log(1)], WINDOW_MS, lease, 10);
    const mover = await world.pool.connect();
    await mover.query('begin');
    await mover.query(`update subscription.agent_event set url = 'http://127.0.0.1/y' where id = $1`, [id]);
    await mover.query('select dispatch.rehome($1)', [id]);
    const second = fanOut(pool, [await world.log(1), await world.log(1)], WINDOW_MS, lease, 10);
    await waitForLock(world.pool);
    await mover.query('commit');
    mover.release();
    expect(await second).toMatchObject({ jobs: [], queued: 0, contended: new Set([`${CLIENT}:1`]) });
  });

  it('counts a failure only while the lease is held, and a success always', async () => {
    await world.subscribe(1, URL);
    const lease = { owner: randomUUID(), ms: 1000 };
    const { jobs } = await fanOut(pool, [await world.log(1)], WINDOW_MS, lease, 10);
    const stranger = randomUUID();
    await postpone(pool, [{ ...recordOf(jobs[0]!), delayMs: 1 }], stranger);
    await finish(pool, [{ ...recordOf(jobs[0]!), outcome: 'failed' }], stranger);
    await release(pool, [{ ...jobs[0]!, delayMs: 0 }], stranger);
    expect(await world.queue()).toMatchObject([{ attempts: 0, owner: lease.owner }]);
    expect(await world.attempts(jobs[0]!.agentEventId)).toEqual([]);
    await finish(pool, [{ ...recordOf(jobs[0]!), outcome: 'delivered' }], stranger);
    expect(await world.queue()).toEqual([]);
    expect(await world.attempts(jobs[0]!.agentEventId)).toMatchObject([{ outcome: 'delivered' }]);
  });

  it('finds the lanes without a head, and reads a row or two of each lane for it', async () => {
    const LANES = 1000;
    const byIndex = createDataSource({ url: world.database.url, applicationName: 'test', poolSize: 1, alwaysByIndex: true });
    await byIndex.initialize();
    try {
      const alone = poolOf(byIndex); // one connection: what its transaction has read is what the search has
      const fill = `insert into dispatch.queue (lane, sequence, agent_event_id, change_id, client_id, agent_id, due_at, followed, expires_at)
         select lane, sequence, 1, gen_random_uuid(), $1, lane, case when sequence = 1 and lane % 10 > 0 then now() end, sequence = 1, now()
         from generate_series(1, $2::integer) lane, generate_series(1, 2) sequence`;
      // What was queued before is gone when the table is analyzed, as it mostly is.
      await alone.query(fill, [CLIENT, LANES]);
      await alone.query('delete from dispatch.queue');
      await alone.query('analyze dispatch.queue');
      await alone.query(fill, [CLIENT, LANES]);
      await alone.query('begin');
      const { orphans } = await findOrphanLanes(alone, '0', 2 * LANES);
      const { rows } = await alone.query<{ read: number }>(
        `select seq_tup_read + idx_tup_fetch as read from pg_stat_xact_user_tables where relid = 'dispatch.queue'::regclass`,
      );
      await alone.query('commit');
      expect(orphans).toEqual(Array.from({ length: LANES / 10 }, (_, nth) => String((nth + 1) * 10)));
      expect(rows[0]!.read).toBeGreaterThan(0);
      expect(rows[0]!.read).toBeLessThan(5 * LANES);
    } finally {
      await byIndex.destroy();
    }
  });

  it.each([
    ['two instances', false],
    ['two instances while urls change', true],
  ])('keep order, lose nothing and never have two in flight, with %s on one queue', async (_what, moving) => {
    const AGENTS = 6;
    const CHANGES = 80;
    const inFlight = new Map<string, Set<DeliveryJob>>();
    const delivered = new Map<string, number[]>();
    const broken: string[] = [];
    const attempted = (job: DeliveryJob, start: boolean, success: boolean): void => {
      // A lane that an attempt under way was moved from is another's to go on with: then it is one at a time of an agent event.
      const key = moving ? String(job.agentEventId) : job.lane;
      const lane = inFlight.get(key) ?? new Set();
      inFlight.set(key, lane);
      if (!start) lane.delete(job);
      else if ([...lane].some(({ sequence }) => sequence !== job.sequence)) broken.push(`two of ${key} in flight`);
      else lane.add(job);
      if (success) delivered.set(`${job.agentEventId}`, [...(delivered.get(`${job.agentEventId}`) ?? []), job.sequence]);
    };
    const instances = [new Instance(pool, attempted), new Instance(pool, attempted)];
    const events: number[] = [];
    for (let agent = 1; agent <= AGENTS; agent++) {
      // Two agent events of one lane, one of the same agent in another lane.
      for (const url of [URL, URL, `${URL}/other`]) events.push(await world.subscribe(agent, url));
    }
    const log: StatusChange[] = [];
    for (let n = 0; n < CHANGES; n++) for (let agent = 1; agent <= AGENTS; agent++) log.push(await world.log(agent));

    let publishing = true;
    const claiming = instances.map(async (instance) => {
      while (publishing || (await world.queue()).length > 0) {
        await instance.claim();
        await delay(3);
      }
    });
    const move = async (): Promise<void> => {
      for (let n = 0; moving && publishing; n++) {
        const id = events[randomInt(events.length)]!;
        await world.moveEvent(id, `${URL}/${n % 3}`);
        await delay(randomInt(0, 20));
      }
    };
    const moved = move();
    // Both fan the whole log out, in batches of their own: every record is delivered twice, some at the same time.
    await Promise.all(
      instances.map(async (instance) => {
        for (let at = 0; at < log.length;) {
          const size = randomInt(1, 25);
          await instance.publish(log.slice(at, at + size));
          at += size;
        }
      }),
    );
    publishing = false;
    await moved;
    await Promise.all(claiming);
    await Promise.all(instances.map((instance) => instance.idle()));

    expect(instances.flatMap(({ errors }) => errors)).toEqual([]);
    expect(broken).toEqual([]);
    expect((await findOrphanLanes(pool, '-9223372036854775808', 1000)).orphans).toEqual([]);
    const expected = Array.from({ length: CHANGES / 2 }, (_, n) => n * 2 + 1);
    for (const id of events) {
      expect(delivered.get(String(id))).toEqual(expected);
    }
  });
});

async function waitForLock(pool: pg.Pool): Promise<void> {
  for (;;) {
    const { rows } = await pool.query(
      `select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`,
    );
    if (rows.length > 0) return;
    await delay(5);
  }
}
