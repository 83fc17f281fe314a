import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { DispatcherWorld, OTHER_CLIENT } from '../../../test/support/dispatcher-world.js';
import { eventually } from '../../../test/support/poll.js';
import { RecordingReceiver } from '../../../test/support/receiver.js';

const AGENTS = 60;
/** On a busy machine. */
const PATIENCE_MS = 60_000;

describe('isolation', () => {
  let world: DispatcherWorld;
  let healthy: RecordingReceiver;
  let sick: RecordingReceiver;

  beforeEach(async () => {
    world = await DispatcherWorld.create();
    healthy = await RecordingReceiver.start();
    sick = await RecordingReceiver.start();
  });

  afterEach(async () => {
    await world.remove();
    await healthy.stop();
    await sick.stop();
  });

  it('delivers to the others while an endpoint hangs, and to it, in order, when it is back', async () => {
    sick.answer(() => undefined);
    await world.start({ DELIVERY_RETRY_SCHEDULE: Array<number>(1000).fill(100), DELIVERY_TIMEOUT: 400 });
    for (let agent = 1; agent <= AGENTS; agent++) {
      await world.subscribe(agent, `${agent % 5 === 0 ? sick.url : healthy.url}/x`);
    }
    for (let agent = 1; agent <= AGENTS; agent++) await world.logins(agent, 3);
    await eventually('all of the healthy one', () => healthy.requests.length >= (AGENTS * 4 * 3) / 5);
    // Never more at once than an origin that has answered nothing may have; the breaker keeps them few.
    await eventually('only those of the sick one are left', async () => (await world.behind()).length === AGENTS / 5);
    sick.answer((_request, response) => response.end());
    const before = sick.requests.length;
    await world.drained(25_000);
    const seen = new Map<string, number[]>();
    for (const { headers } of sick.requests.slice(before)) {
      const event = String(headers['webhook-id']).split('_')[1]!;
      seen.set(event, [...(seen.get(event) ?? []), Number(headers['webhook-sequence'])]);
    }
    expect([...seen.values()]).toEqual(Array(AGENTS / 5).fill([1, 3, 5]));
  });

  it('says of what falls behind while its request is out that it is, without a further write, until the outcome is recorded', async () => {
    const answers: (() => void)[] = [];
    sick.answer((_request, response) => answers.push(() => response.writeHead(answers.length > 1 ? 200 : 500).end()));
    await world.start({ DELIVERY_RETRY_SCHEDULE: [100], DELIVERY_TIMEOUT: 60_000 });
    await world.subscribe(136, `${sick.url}/x`);
    void world.change(136);
    const row = async (): Promise<{ version: number; out: boolean } | undefined> => {
      const { rows } = await world.pool.query(
        'select version, attempts, coalesce(sending_until > now() and due_at > now(), false) as out from dispatch.behind',
      );
      return rows[0] as never;
    };
    await eventually('it is behind', async () => (await row()) !== undefined, PATIENCE_MS);
    expect(await row()).toEqual({ version: 0, attempts: 0, out: true });
    answers[0]!();
    await eventually('the failure is recorded', async () => (await row())?.out === false, PATIENCE_MS);
    expect(await row()).toMatchObject({ attempts: 1, out: false });
    await eventually('the second attempt', () => answers.length === 2, PATIENCE_MS);
    answers[1]!();
    await world.drained(PATIENCE_MS);
    expect(sick.requests).toHaveLength(2);
  }, 300_000);

  it('takes a standstill of its own process for no fault of an origin', async () => {
    const agents = 300;
    const service = await world.start({ DELIVERY_TIMEOUT: 20_000 });
    for (const type of ['agent-login', 'agent-logout']) await world.subscribe(null, `${healthy.url}/x`, type);
    const changeAll = async (): Promise<void> => {
      const changes = [];
      for (let agent = 1; agent <= agents; agent++) changes.push(await world.log(agent));
      await world.publish(...changes);
      await world.drained(PATIENCE_MS);
    };
    /** Deliveries that fell behind, or came back unsent. */
    const putOff = async (): Promise<number> => {
      const metrics = await (await fetch(`${service.url}/metrics`)).text();
      const counts = metrics.matchAll(/^rollcall_deliveries_(?:spilt_total|given_back_total\{.*\}) (\d+)$/gm);
      return [...counts].reduce((sum, [, count]) => sum + Number(count), 0);
    };
    await changeAll(); // as it is when it has been at work
    const before = await putOff();
    healthy.answer((_request, response, count) => {
      const until = performance.now() + (count === agents + 20 ? 1000 : 0);
      while (performance.now() < until); // the process itself, the receiver with it
      response.end();
    });
    await changeAll();
    expect((await putOff()) - before).toBeLessThan(agents / 4); // all that were out or waited, otherwise
    expect(healthy.requests).toHaveLength(2 * agents);
  }, 240_000);

  it('reads what is behind once while its request is out, however often something else is due', async () => {
    sick.answer((request, response) => {
      if (request.url === '/failing') response.writeHead(503).end();
      else if (request.headers['webhook-attempt'] === '1') response.writeHead(500).end(); // and then it hangs
    });
    await world.start({ DELIVERY_RETRY_SCHEDULE: Array<number>(1000).fill(20), DELIVERY_TIMEOUT: 60_000 });
    const hanging = await world.subscribe(1, `${sick.url}/hanging`);
    await world.change(1);
    await eventually('the second attempt is out', () => sick.at('/hanging').length === 2, PATIENCE_MS);
    const statements = vi.spyOn(pg.Pool.prototype, 'query');
    try {
      await world.subscribe(2, `${sick.url}/failing`, 'agent-login', 'POST', OTHER_CLIENT);
      await world.change(2, { clientId: OTHER_CLIENT });
      await eventually('many reads', () => sick.at('/failing').length >= 4, PATIENCE_MS);
      const results = await Promise.all(statements.mock.results.map(({ value }) => value as unknown as Promise<pg.QueryResult>));
      type Line = { readonly agent_event_id?: number; readonly next_sequence?: number };
      const lines = results.flatMap((result) => result.rows as Line[]);
      const behind = lines.filter(({ next_sequence }) => next_sequence !== undefined);
      expect(behind.length).toBeGreaterThan(0);
      expect(behind.filter(({ agent_event_id }) => agent_event_id === hanging)).toEqual([]);
    } finally {
      statements.mockRestore();
    }
  }, 120_000);

  it('keeps few waiting in memory for an endpoint that is dead, and takes more changes meanwhile', async () => {
    const { url } = sick;
    await sick.stop();
    await world.start({ DELIVERY_RETRY_SCHEDULE: [60_000] }, { budgets: { inMemory: 50 } });
    for (let agent = 1; agent <= 300; agent++) await world.subscribe(agent, `${url}/x`);
    await world.subscribe(1000, `${healthy.url}/x`);
    for (let agent = 1; agent <= 300; agent++) await world.change(agent);
    await world.change(1000);
    await eventually('the healthy one', () => healthy.requests.length === 1);
    await eventually('only those of the dead one are left', async () => (await world.behind()).length === 300);
    sick = await RecordingReceiver.start();
  });

  it('writes nothing while it waits for an endpoint that is dead, and brings what waits forward once it answers', async () => {
    const rows = 40;
    sick.answer((_request, response) => response.writeHead(503).end());
    await world.start({ DELIVERY_RETRY_SCHEDULE: [100, 600_000], DELIVERY_WINDOW: 3_600_000 });
    for (let agent = 1; agent <= rows; agent++) await world.subscribe(agent, `${sick.url}/x`);
    for (let agent = 1; agent <= rows; agent++) void world.publish(await world.log(agent));
    await eventually('all behind', async () => (await world.behind()).length === rows);
    await eventually('some tried twice', async () => (await world.behind()).some(({ attempts }) => attempts === 2));
    const versions = async (): Promise<string[]> => {
      const { rows: lines } = await world.pool.query<{ version: string }>(
        `select agent_event_id || ' ' || xmin as version from dispatch.behind`,
      );
      return lines.map(({ version }) => version);
    };
    const before = new Set(await versions());
    await delay(3000); // the time itself, not a wait for something
    const written = (await versions()).filter((version) => !before.has(version)).length;
    expect(written).toBeLessThan(rows / 4); // a probe now and then
    sick.answer((_request, response) => response.end());
    await world.drained(60_000);
  }, 120_000);

  it('goes on when an instance vanished in the middle: what it had leased is delivered, and nothing twice', async () => {
    const first = await world.start({}, { leaseMs: 3000, budgets: { firstAttempts: 0, retries: 0 } });
    for (let agent = 1; agent <= 20; agent++) await world.subscribe(agent, `${healthy.url}/x`);
    const published = [];
    for (let agent = 1; agent <= 20; agent++) published.push(world.logins(agent, 2));
    await eventually('leases', async () => {
      const { rows } = await world.pool.query('select from dispatch.shard_lease where until > now()');
      return rows.length > 0;
    });
    // As after kill -9: the leases are of nobody that still lives.
    await world.pool.query(`update dispatch.shard_lease set owner = $1, epoch = epoch + 1, until = now() + interval '3 s'`, [
      randomUUID(),
    ]);
    await world.stop(first);
    await world.start();
    await Promise.all(published);
    // What the first one had passed over, for the shards were not its own any more, is found in the log: contract §5, within 60 s.
    await world.drained(90_000);
    expect(healthy.requests.length).toBe(40);
    expect(new Set(healthy.requests.map(({ headers }) => headers['webhook-id'])).size).toBe(40);
  }, 150_000);
});
