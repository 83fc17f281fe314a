import { setImmediate as turn, setTimeout as delay } from 'node:timers/promises';
import { Registry } from 'prom-client';
import { Webhook } from 'standardwebhooks';
import { uuidv7 } from 'uuidv7';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { AddressGuard, generateSecret, signingKey, WebhookClient } from '#webhook';
import { OTHER_CLIENT, useDispatcherWorld, type DispatcherWorld } from '../../../../test/support/dispatcher-world.js';
import { eventually } from '../../../../test/support/poll.js';
import { RecordingReceiver, type RecordedRequest } from '../../../../test/support/receiver.js';
import { DispatcherMetrics } from '../metrics.js';
import { Attempts, DEFAULT_BUDGETS, VIEW_TTL_MS } from './attempts.js';
import { BatchedCache } from './batched-cache.js';

const LOGIN = 'agent-login';
/** What is told after an answer holds from here on, in milliseconds: contract §3. */
const BOUND_MS = 500;

describe('attempts', () => {
  let world: DispatcherWorld;
  let receiver: RecordingReceiver;
  useDispatcherWorld((...given) => ([world, receiver] = given));

  afterEach(() => {
    vi.restoreAllMocks();
  });

  const drained = () => world.drained();
  const isSignedWith = (secret: string, { headers, body }: RecordedRequest): boolean => {
    try {
      new Webhook(secret).verify(body, headers as Record<string, string>, { jsonParse: false });
      return true;
    } catch {
      return false;
    }
  };

  it('keeps one client at an origin apart from another whose path there is broken', async () => {
    receiver.answer((request, response) => response.writeHead(request.url.startsWith('/broken') ? 503 : 200).end());
    await world.start({ DELIVERY_RETRY_SCHEDULE: Array<number>(200).fill(100), DELIVERY_WINDOW: 3_600_000 });
    for (let agent = 1; agent <= 30; agent++) {
      await world.subscribe(agent, `${receiver.url}/broken`);
      await world.subscribe(agent, `${receiver.url}/well`, LOGIN, 'POST', OTHER_CLIENT);
    }
    for (let agent = 1; agent <= 30; agent++) await world.change(agent);
    await eventually('a breaker that opens', () => receiver.at('/broken').length >= 5);
    for (let agent = 1; agent <= 30; agent++) await world.change(agent, { clientId: OTHER_CLIENT });
    await eventually('all of the other client', () => receiver.at('/well').length === 30, 5000);
    expect(receiver.at('/well').every(({ headers }) => headers['webhook-attempt'] === '1')).toBe(true);
    receiver.answer((_request, response) => response.end());
    await drained();
  });

  it('leaves room in the budgets to the others, however many slow endpoints a client has', async () => {
    const slow = await Promise.all(Array.from({ length: 6 }, () => RecordingReceiver.start()));
    for (const one of slow) one.answer(() => undefined);
    await world.start({ DELIVERY_TIMEOUT: 60_000 }, { budgets: { firstAttempts: 16 }, leaseMs: 180_000 });
    for (const one of slow) await world.subscribe(null, `${one.url}/slow`);
    await world.subscribe(1, `${receiver.url}/well`, LOGIN, 'POST', OTHER_CLIENT);
    for (let agent = 1; agent <= 10; agent++) await world.change(agent);
    await eventually('a client that has all it can get', () => slow.reduce((sum, one) => sum + one.requests.length, 0) >= 4);
    await world.change(1, { clientId: OTHER_CLIENT });
    await eventually('the other client', () => receiver.at('/well').length === 1);
    for (const one of slow) await one.stop();
  });

  it('forgets an origin that is not sent to any more, also one that it had paused', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] });
    const client = new WebhookClient({ guard: new AddressGuard(['127.0.0.0/8']), timeoutMs: 5000, connectionsPerOrigin: 8 });
    const metrics = new DispatcherMetrics(new Registry());
    const endpoint = { url: 'http://127.0.0.1:1/x', method: 'POST', suspended: false } as const; // nobody listens there
    const attempts = new Attempts({
      client,
      endpoints: new BatchedCache((ids) => Promise.resolve(new Map(ids.map((id) => [id, endpoint]))), undefined, VIEW_TTL_MS),
      keys: new BatchedCache(
        (ids) => Promise.resolve(new Map(ids.map((id) => [id, [signingKey(world.secret)]]))),
        [],
        VIEW_TTL_MS,
      ),
      budgets: DEFAULT_BUDGETS,
      metrics,
      logger: world.logger,
    });
    try {
      const open = async () => (await metrics.openBreakers.get()).values[0]!.value;
      const delivery = {
        ...{ changeId: uuidv7(), clientId: 12, agentEventId: 1, sequence: 1, attemptsBefore: 0, isRetry: false },
        ...{ change: { pairs: 'a=b', occurredAt: Date.now() }, endpoint: { value: endpoint, readAt: 0 }, startBy: Infinity },
      };
      for (let nth = 1; nth <= 5; nth++) {
        expect(await attempts.attempt(delivery)).toMatchObject({ kind: 'attempted', result: { error: 'connection refused' } });
      }
      expect(await attempts.attempt(delivery)).toMatchObject({ kind: 'unsent', reason: 'breaker' });
      vi.advanceTimersByTime(30_000);
      await turn();
      expect(await open()).toBe(1);
      for (const ms of [60_000, 20_000]) {
        vi.advanceTimersByTime(ms);
        await turn();
      }
      expect(await open()).toBe(0);
    } finally {
      vi.useRealTimers();
      await attempts.stop();
      await client.close();
    }
  });

  it('goes on beside a url in the database that is none', async () => {
    await world.start();
    await world.subscribe(1, 'no url');
    await world.subscribe(1, `${receiver.url}/well`);
    await world.change(1);
    await eventually('the other one', () => receiver.at('/well').length === 1);
    await eventually('the odd one, put back', async () => (await world.behind()).length === 1);
    await world.change(1);
    await world.change(1);
    await eventually('the next one', () => receiver.at('/well').length === 2);
  });

  it('signs with a rotated secret within half a second', async () => {
    await world.start();
    await world.subscribe(1, `${receiver.url}/x`);
    await world.change(1);
    await drained();
    const rotated = generateSecret();
    await world.addSecret(rotated);
    await delay(BOUND_MS); // the bound itself, not a wait for something
    await world.logins(1, 2);
    await drained();
    const last = receiver.requests.at(-1)!;
    expect([isSignedWith(rotated, last), isSignedWith(world.secret, last)]).toEqual([true, true]);
  });

  it.each([
    ['a PUT of the url', (id: number) => world.moveEvent(id, `${receiver.url}/new`)],
    ['a DELETE', (id: number) => world.pool.query('delete from subscription.agent_event where id = $1', [id])],
  ])('calls the old url no more from half a second after %s', async (_what, change) => {
    await world.start({ DELIVERY_TIMEOUT: 20_000 });
    const id = await world.subscribe(null, `${receiver.url}/old`);
    await world.subscribe(null, `${receiver.url}/beside`);
    let isOver = false;
    const flow = (async (): Promise<void> => {
      for (let agent = 1; !isOver; agent = (agent % 50) + 1) {
        void world.publish(await world.log(agent));
        await delay(5);
      }
    })();
    await eventually('a flow of notifications', () => receiver.at('/old').length > 50);
    await change(id);
    await delay(BOUND_MS); // the bound itself, not a wait for something
    const [old, beside] = [receiver.at('/old').length, receiver.at('/beside').length];
    await eventually('the flow that goes on', () => receiver.at('/beside').length > beside + 100);
    isOver = true;
    await flow;
    // Of two hundred a second: what was written just before the bound may be read a moment after it.
    expect(receiver.at('/old').length - old).toBeLessThan(10);
  });

  it('ends a delivery whose result the database refuses, and says so', async () => {
    receiver.answer((_request, response) => response.writeHead(500).end());
    await world.start({ DELIVERY_RETRY_SCHEDULE: Array<number>(20).fill(100) });
    const id = await world.subscribe(1, `${receiver.url}/x`);
    await world.change(1);
    await eventually('a row that waits', async () => (await world.behind()).some(({ attempts }) => attempts > 0));
    await world.pool.query('update dispatch.behind set attempts = 32767');
    await drained();
    const attempts = await world.attempts(id);
    expect(attempts.at(-1)).toMatchObject({ outcome: 'failed', error: 'the result could not be stored' });
  });

  it.each([
    ['behind', -3_600_000],
    ['ahead', 3_600_000],
  ])("judges windows by the database's clock where its own is an hour %s", async (_what, skew) => {
    const now = Date.now.bind(Date);
    receiver.answer((_request, response, nth) => response.writeHead(nth === 1 ? 500 : 200).end());
    const id = await world.subscribe(1, `${receiver.url}/x`);
    const late = await world.subscribe(2, `${receiver.url}/late`);
    vi.spyOn(Date, 'now').mockImplementation(() => now() + skew);
    await world.start();
    await world.change(2, { changedAt: now() - 120_000 });
    await world.change(1, { changedAt: now() });
    // `eventually` goes by the shifted clock too, which runs as fast as the true one.
    await drained();
    expect((await world.attempts(id)).map(({ outcome }) => outcome)).toEqual(['retry', 'delivered']);
    expect(await world.attempts(late)).toEqual([
      { attempt: 1, outcome: 'failed', http_status: null, error: 'the retry window ended', response: null },
    ]);
    expect(receiver.at('/late')).toEqual([]);
  });
});
