import { setTimeout as delay } from 'node:timers/promises';
import type pg from 'pg';
import { fetchToken, type Urls } from '../../test/support/client.js';
import { Child } from '../lab/child.js';
import { PLATFORM, seconds, untilRecorded, type Lab } from '../lab/lab.js';
import { Population } from '../lab/population.js';
import type { Chain } from '../limits/chain.process.js';
import type { Load, LoadResult } from '../load/http.process.js';
import { quantile, type Details, type Row } from '../row.js';

/** A system that takes telemetry over HTTP: the three services, or the all-in-one. */
export interface Target {
  readonly name: string;
  readonly urls: Urls;
  readonly pool: pg.Pool;
}

const RATE = 200;

/** As the peers were measured: one item a request, 64 connections, one subscriber. */
export function itemARequestRow(lab: Lab, target: Target, goal: number, { agents = 10_000, changes = 10_000 } = {}): Row {
  return {
    name: `whole path over HTTP, an item a request, 64 connections: ${target.name}`,
    limit: 'bare undici POST loop, 64 connections, same receiver',
    unit: 'notifications/s',
    goal,
    prepare: async () => {
      const population = await Population.create(target.pool, 106, agents, () => `${lab.receivers.origins[0]}/login`);
      const load = await Child.start('load/http.process');
      lab.onStop(() => load.stop());
      const token = await fetchToken(target.urls, PLATFORM.appId, PLATFORM.secret);
      const round = async (count: number): Promise<number> => {
        await lab.receivers.reset();
        const requests = Array.from({ length: count }, () => ({
          path: '/telemetry',
          body: JSON.stringify(population.nextTelemetry()),
        }));
        const took = await seconds(async () => {
          await load.ask({ origin: target.urls.presence, token, method: 'POST', requests, connections: 64 } satisfies Load);
          await lab.receivers.until(count);
          await untilRecorded(target.pool);
        });
        return count / took;
      };
      await round(agents);
      await target.pool.query('analyze');
      return async () => ({ limit: await lab.bareLoop(), value: await round(changes) });
    },
  };
}

/** From the telemetry's POST being sent to the notification being received, at 200 a second. Both percentiles of one run. */
export function latencyRow(
  lab: Lab,
  target: Target,
  share: number,
  goal: number,
  options: { readonly fixedLimitMs?: number; readonly agents?: number; readonly seconds?: number } = {},
): Row {
  const { fixedLimitMs, agents = 1000, seconds: length = 6 } = options;
  return {
    name: `latency at 200 changes/s, p${share * 100}: ${target.name}`,
    limit: fixedLimitMs === undefined ? 'bare chain Fastify → kafkajs → undici, the same rate' : `${fixedLimitMs} ms`,
    unit: 'ms',
    goal,
    lessIsBetter: true,
    prepare: async () => {
      const clientId = share === 0.5 ? 107 : 108;
      const population = await Population.create(target.pool, clientId, agents, () => `${lab.receivers.origins[0]}/login`);
      const load = await Child.start('load/http.process');
      lab.onStop(() => load.stop());
      const token = await fetchToken(target.urls, PLATFORM.appId, PLATFORM.secret);
      const chain = fixedLimitMs === undefined ? await startChain(lab) : undefined;
      const measure = async (
        origin: string,
        bodies: readonly { readonly key: string; readonly body: string }[],
      ): Promise<number[]> => {
        await lab.receivers.reset({ note: true });
        const requests = bodies.map(({ body }) => ({ path: '/telemetry', body }));
        const { sentAt } = await load.ask<LoadResult>({
          origin,
          token,
          method: 'POST',
          requests,
          connections: 64,
          rate: RATE,
        } satisfies Load);
        await lab.receivers.until(bodies.length);
        const receivedAt = new Map(await lab.receivers.notes());
        return bodies.map(({ key }, nth) => receivedAt.get(key)! - sentAt[nth]!);
      };
      const ours = (count: number): Promise<number[]> =>
        measure(
          target.urls.presence,
          Array.from({ length: count }, () => {
            const { agent, sequence, item } = population.nextNamed();
            return { key: `${agent + 1}:${sequence}`, body: JSON.stringify(item) };
          }),
        );
      let sequence = 0;
      const bare = (url: string, count: number): Promise<number[]> =>
        measure(
          url,
          Array.from({ length: count }, (_, nth) => {
            const agent_id = nth % agents;
            sequence += 1;
            return {
              key: `${agent_id}:${sequence}`,
              body: JSON.stringify({ ...population.repeat(agent_id), agent_id, sequence }),
            };
          }),
        );
      await ours(RATE * 2);
      await target.pool.query('analyze');
      if (chain) await bare(chain, RATE * 2);
      return async () => {
        await delay(200);
        const mine = await ours(RATE * length);
        const details: Details = { p50: quantile(mine, 0.5), p99: quantile(mine, 0.99), max: quantile(mine, 1) };
        const limit = chain ? quantile(await bare(chain, RATE * length), share) : fixedLimitMs!;
        return { value: quantile(mine, share), limit, details };
      };
    },
  };
}

async function startChain(lab: Lab): Promise<string> {
  const topic = `bench-chain-${process.hrtime.bigint()}`;
  await lab.createTopic(topic);
  const back = await Child.start('limits/chain.process');
  const front = await Child.start('limits/chain.process');
  lab.onStop(async () => {
    await front.stop();
    await back.stop();
  });
  const { brokers } = lab.kafka;
  const url = await front.ask<string>({ role: 'front', brokers, topic } satisfies Chain);
  await back.ask({ role: 'back', brokers, topic, origin: lab.receivers.origins[0]! } satisfies Chain);
  return url;
}
