import type pg from 'pg';
import { fetchToken, type Urls } from '../../test/support/client.js';
import { PLATFORM, seconds, untilRecorded, type Lab } from '../lab/lab.js';
import { Population, telemetryOf } from '../lab/population.js';
import type { Chain } from '../limits/chain.process.js';
import type { Load, LoadResult } from '../load/http.process.js';
import { quantile, type Row } from '../row.js';

/** A system that takes telemetry over HTTP: the three services, or the all-in-one. */
export interface Target {
  readonly name: string;
  readonly urls: Urls;
  readonly pool: pg.Pool;
}

const LOOP = 'bare undici POST loop, 64 connections, same receiver';
const UNIT = 'notifications/s';
const RATE = 200;

/** As the peers were measured: one item a request, 64 connections, one subscriber. */
export function itemARequestRow(lab: Lab, target: Target, goal: number, { agents = 10_000, changes = 10_000 } = {}): Row {
  return {
    name: `whole path over HTTP, an item a request, 64 connections: ${target.name}`,
    limit: LOOP,
    unit: UNIT,
    goal,
    prepare: async () => {
      const population = await Population.create(target.pool, 106, agents, () => `${lab.receivers.origins[0]}/login`);
      const load = await lab.child('load/http.process');
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

const CHAINS = { split: 'Fastify → kafkajs → undici, two processes', whole: 'Fastify → undici, one process' } as const;

/**
 * What is left for the row above when all that Rollcall is for is taken away: the same load through a bare chain. Tells how
 * much of the goal this machine allows at all, so it has no goal.
 */
export function bareChainRow(lab: Lab, kind: keyof typeof CHAINS, { agents = 10_000, changes = 10_000 } = {}): Row {
  return {
    name: `an item a request without Rollcall: ${CHAINS[kind]}, no database`,
    limit: LOOP,
    unit: UNIT,
    prepare: async () => {
      const load = await lab.child('load/http.process');
      const origin = kind === 'whole' ? await startWholeChain(lab) : await startChain(lab);
      let sequence = 0;
      const round = async (): Promise<number> => {
        await lab.receivers.reset();
        const requests = Array.from({ length: changes }, (_, nth) => ({
          path: '/telemetry',
          body: JSON.stringify({ ...telemetryOf(108, nth % agents, true), sequence: ++sequence }),
        }));
        const took = await seconds(async () => {
          await load.ask({ origin, method: 'POST', requests, connections: 64 } satisfies Load);
          await lab.receivers.until(changes);
        });
        return changes / took;
      };
      await round();
      return async () => ({ limit: await lab.bareLoop(), value: await round() });
    },
  };
}

/** A percentile and what it should come to: so many times the bare chain's, or so many milliseconds. */
export type LatencyGoal =
  { readonly share: number; readonly timesTheChain: number } | { readonly share: number; readonly milliseconds: number };

/** Latencies of one run, in milliseconds; `bare` is empty where nothing is held against the chain. */
interface LatencyRun {
  readonly ours: readonly number[];
  readonly bare: readonly number[];
}

const LATENCY_AGENTS = 1000;
const LATENCY_SECONDS = 6;

/** From the telemetry's POST being sent to the notification being received, at 200 a second; every percentile of the same runs. */
export function latencyRows(lab: Lab, target: Target, goals: readonly LatencyGoal[]): Row[] {
  const withChain = goals.some((goal) => 'timesTheChain' in goal);
  const runs: Promise<LatencyRun>[] = [];
  let prepared: Promise<() => Promise<LatencyRun>> | undefined;
  return goals.map((goal) => ({
    name: `latency at 200 changes/s, p${goal.share * 100}: ${target.name}`,
    limit: 'timesTheChain' in goal ? 'bare chain Fastify → kafkajs → undici, the same rate' : `${goal.milliseconds} ms`,
    unit: 'ms',
    goal: 'timesTheChain' in goal ? goal.timesTheChain : 1,
    lessIsBetter: true,
    prepare: async () => {
      const run = await (prepared ??= prepareLatency(lab, target, withChain));
      let nth = 0;
      return async () => {
        const { ours, bare } = await (runs[nth++] ??= run());
        const limit = 'timesTheChain' in goal ? quantile(bare, goal.share) : goal.milliseconds;
        return { value: quantile(ours, goal.share), limit };
      };
    },
  }));
}

async function prepareLatency(lab: Lab, target: Target, withChain: boolean): Promise<() => Promise<LatencyRun>> {
  const population = await Population.create(target.pool, 107, LATENCY_AGENTS, () => `${lab.receivers.origins[0]}/login`);
  const load = await lab.child('load/http.process');
  const token = await fetchToken(target.urls, PLATFORM.appId, PLATFORM.secret);
  const chain = withChain ? await startChain(lab) : undefined;

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
  const bare = async (count: number): Promise<number[]> => {
    if (chain === undefined) return [];
    return measure(
      chain,
      Array.from({ length: count }, (_, nth) => {
        const agent_id = nth % LATENCY_AGENTS;
        sequence += 1;
        return { key: `${agent_id}:${sequence}`, body: JSON.stringify({ ...population.repeat(agent_id), agent_id, sequence }) };
      }),
    );
  };

  await ours(RATE * 2);
  await target.pool.query('analyze');
  await ours(RATE * 2); // every connection plans its statements anew after that
  await bare(RATE * 2);
  return async () => ({ ours: await ours(RATE * LATENCY_SECONDS), bare: await bare(RATE * LATENCY_SECONDS) });
}

async function startWholeChain(lab: Lab): Promise<string> {
  const chain = await lab.child('limits/chain.process');
  return chain.ask<string>({ role: 'whole', origin: lab.receivers.origins[0]! } satisfies Chain);
}

async function startChain(lab: Lab): Promise<string> {
  const topic = `bench-chain-${process.hrtime.bigint()}`;
  await lab.createTopic(topic);
  const back = await lab.child('limits/chain.process');
  const front = await lab.child('limits/chain.process');
  const { brokers } = lab.kafka;
  const url = await front.ask<string>({ role: 'front', brokers, topic } satisfies Chain);
  await back.ask({ role: 'back', brokers, topic, origin: lab.receivers.origins[0]! } satisfies Chain);
  return url;
}
