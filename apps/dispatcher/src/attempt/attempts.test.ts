import { setTimeout as delay } from 'node:timers/promises';
import { Webhook } from 'standardwebhooks';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { generateSecret } from '#webhook';
import { DispatcherWorld, OTHER_CLIENT } from '../../../../test/support/dispatcher-world.js';
import { eventually } from '../../../../test/support/poll.js';
import { RecordingReceiver, type RecordedRequest } from '../../../../test/support/receiver.js';

const LOGIN = 'agent-login';
/** What is told after an answer holds from here on, in milliseconds: contract §3. */
const BOUND_MS = 500;

describe('attempts', () => {
  let world: DispatcherWorld;
  let receiver: RecordingReceiver;

  beforeEach(async () => {
    world = await DispatcherWorld.create();
    receiver = await RecordingReceiver.start();
  });

  afterEach(async () => {
    vi.restoreAllMocks();
    await world.remove();
    await receiver.stop();
  });

  const drained = () => eventually('an empty queue', async () => (await world.queue()).length === 0);
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
    await world.start({ DELIVERY_TIMEOUT: 60_000 }, { budgets: { firsts: 16 }, leaseMs: 180_000 });
    for (const one of slow) await world.subscribe(null, `${one.url}/slow`);
    await world.subscribe(1, `${receiver.url}/well`, LOGIN, 'POST', OTHER_CLIENT);
    for (let agent = 1; agent <= 10; agent++) await world.change(agent);
    await eventually('a client that has all it can get', () => slow.reduce((sum, one) => sum + one.requests.length, 0) >= 4);
    await world.change(1, { clientId: OTHER_CLIENT });
    await eventually('the other client', () => receiver.at('/well').length === 1);
    for (const one of slow) await one.stop();
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

  it('ends a delivery whose result the database refuses, and says so', async () => {
    receiver.answer((_request, response) => response.writeHead(500).end());
    await world.start({ DELIVERY_RETRY_SCHEDULE: Array<number>(20).fill(100) });
    const id = await world.subscribe(1, `${receiver.url}/x`);
    await world.change(1);
    await eventually('a row that waits', async () => (await world.queue()).some(({ attempts }) => attempts > 0));
    await world.pool.query('update dispatch.queue set attempts_before = 32767');
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
    await world.change(2, { changedAt: new Date(now() - 120_000) });
    await world.change(1, { changedAt: new Date(now()) });
    // `eventually` goes by the shifted clock too, which runs as fast as the true one.
    await drained();
    expect((await world.attempts(id)).map(({ outcome }) => outcome)).toEqual(['retry', 'delivered']);
    expect(await world.attempts(late)).toEqual([
      { attempt: 1, outcome: 'failed', http_status: null, error: 'the retry window ended', response: null },
    ]);
    expect(receiver.at('/late')).toEqual([]);
  });
});
