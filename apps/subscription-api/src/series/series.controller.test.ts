import { afterAll, beforeAll, expect, it } from 'vitest';
import { DeliveryRows } from '../../../../test/support/delivery-rows.js';
import { ApiFixture } from '../../../../test/support/subscription-api.js';

interface Series {
  readonly delivered: number[];
  readonly retry: number[];
  readonly failed: number[];
  readonly dropped: number[];
  readonly p50_ms: (number | null)[];
}

let api: ApiFixture;
let forAll: number;
let ofAgent: number;

beforeAll(async () => {
  api = await ApiFixture.start();
  const rows = new DeliveryRows(api.pool);
  await api.addAgent(1);
  const add = async (path: string) => {
    const event = { url: 'http://127.0.0.1:9/', event_type: 'agent-login', method: 'GET' };
    return ((await api.api('demo', 'POST', path, event)).json as { id: number }).id;
  };
  forAll = await add('/client/@me/agent_events/');
  ofAgent = await add('/client/@me/agent/local/1/event/');
  // Of all together, and of the one that is for all agents, there are counts; of the other one there are attempts alone.
  await api.pool.query(
    `insert into dispatch.delivery_series
     select 12, event, grain, to_timestamp(floor(extract(epoch from now()) / grain) * grain), 7, 1, 2, 0, array[0, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
     from unnest($1::bigint[]) event, unnest(array[60, 3600]) grain`,
    [[0, forAll]],
  );
  const log = async (outcome: string, latencyMs: number, attemptedAgo: string, attempt = 1) =>
    api.pool.query(
      `insert into dispatch.attempt (agent_event_id, change_id, attempt, attempted_at, latency_ms, outcome)
       values ($1, $2, $3, now() - $4::interval, $5, $6)`,
      [ofAgent, await rows.addLogin({ agentId: 1 }), attempt, attemptedAgo, latencyMs, outcome],
    );
  await log('delivered', 5, '0');
  await log('delivered', 6, '0');
  await log('retry', 10_000, '0');
  await log('failed', 10_001, '0');
  await log('dropped', 0, '0');
  await log('delivered', 30, '3 hours');
});

afterAll(() => api.stop());

async function series(query: string, who: 'reader' | 'other' = 'reader'): Promise<Series> {
  const answer = await api.api(who, 'GET', `/client/@me/series/deliveries?${query}`);
  expect(answer.status).toBe(200);
  return answer.json as Series;
}

const sum = (counts: readonly number[]): number => counts.reduce((all, count) => all + count, 0);
const sums = ({ delivered, retry, failed, dropped }: Series): number[] => [delivered, retry, failed, dropped].map(sum);
const lastOf = (values: readonly (number | null)[]): number | null => values.findLast((value) => value !== null) ?? null;

it('of all of a client’s agent events, and of one for all agents, are what was counted', async () => {
  for (const query of ['', `agent_event_id=${forAll}`]) {
    const found = await series(query);
    expect(sums(found)).toEqual([7, 1, 2, 0]);
    expect(lastOf(found.p50_ms)).toBeGreaterThan(5);
    expect(lastOf(found.p50_ms)).toBeLessThanOrEqual(10);
  }
});

it('of one of a single agent are its attempts of the span, by when they were made and how long they took', async () => {
  const found = await series(`agent_event_id=${ofAgent}`);
  expect(sums(found)).toEqual([2, 1, 1, 1]);
  // 5, 6, 10,000 and 10,001 ms: half of them took no longer than 10.
  expect(lastOf(found.p50_ms)).toBeGreaterThan(5);
  expect(lastOf(found.p50_ms)).toBeLessThanOrEqual(10);
  const since = new Date(Date.now() - 6 * 3_600_000).toISOString();
  const hours = await series(`agent_event_id=${ofAgent}&step=3600&since=${since}`);
  expect(sums(hours)).toEqual([3, 1, 1, 1]);
  expect(hours.delivered.filter((count) => count > 0)).toHaveLength(2);
});

it('of nobody else’s agent event are empty', async () => {
  for (const id of [forAll, ofAgent]) expect(sums(await series(`agent_event_id=${id}`, 'other'))).toEqual([0, 0, 0, 0]);
});

it('stay when the agent event is gone', async () => {
  const before = [await series(`agent_event_id=${forAll}`), await series(`agent_event_id=${ofAgent}`)];
  for (const path of [`agent_events/${forAll}`, `agent/local/1/event/${ofAgent}`]) {
    expect((await api.api('demo', 'DELETE', `/client/@me/${path}`)).status).toBe(204);
  }
  const after = [await series(`agent_event_id=${forAll}`), await series(`agent_event_id=${ofAgent}`)];
  expect(after.map(sums)).toEqual(before.map(sums));
});
