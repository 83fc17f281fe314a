import { setTimeout as wait } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { migrate } from '#database';
import { LocalKafka } from '../../tools/kafka/local-kafka.js';
import { describe as table } from '../chaos/checker.js';
import { SERVICES, type Cluster, type ServiceName } from '../support/cluster.js';
import { eventually } from '../support/poll.js';
import { SteadyLoad, type Figures } from './steady-load.js';
import { describeFigures, RollingWorld } from './world.js';

/**
 * `ROLLING=long` (npm run test:rolling) replaces every instance three times, holds the times too, and shows what the delay is for;
 * `ROLLING=short` replaces those that take requests once. Neither is part of `npm test`: they want a machine to themselves.
 */
const form = process.env['ROLLING'];
const long = form === 'long';
/** The default. */
const DELIVERY_TIMEOUT_MS = 10_000;
/** By then the leases of an instance that was killed have ended, in milliseconds. */
const TAKEOVER_MS = DELIVERY_TIMEOUT_MS + 10_000;
const say = (line: string): void => void process.stderr.write(`${line}\n`);

interface Rolling {
  readonly delay: string;
  readonly rounds: number;
  readonly changesPerSecond: number;
  readonly replaced: readonly ServiceName[];
}

interface Outcome extends Figures {
  readonly refused: number;
  readonly lost: readonly string[];
  readonly invented: readonly string[];
  readonly outOfOrder: readonly string[];
}

/** Two instances of each service behind a proxy under steady load; something is done to them meanwhile. */
async function underLoad(
  what: string,
  { delay, changesPerSecond }: Pick<Rolling, 'delay' | 'changesPerSecond'>,
  work: (world: RollingWorld, cluster: Cluster, load: SteadyLoad) => Promise<void>,
): Promise<Outcome> {
  const world = await RollingWorld.start();
  try {
    await migrate(world.postgres.url());
    const cluster = await world.addCluster({ SHUTDOWN_DELAY: delay });
    for (const service of SERVICES) await cluster.add(service);
    const load = new SteadyLoad(long ? 200 : 60, world.urls, changesPerSecond);
    await world.subscribe(load);
    const loading = load.run();
    await eventually('changes flow', () => load.arrivals.length > 10 * changesPerSecond, 120_000);
    load.figures(); // of connections that are new, and code that is cold: ten seconds of it
    say(`before: latest ${load.takeLatest()} ms`);
    await work(world, cluster, load);
    load.stop();
    await loading;
    const report = await world.settle(load);
    const figures = load.figures();
    const refused = Object.values(world.proxies).reduce((sum, proxy) => sum + proxy.refused, 0);
    say(describeFigures(`${what}, ${refused} refused`, figures));
    say(table(report));
    return { ...figures, refused, lost: report.lost, invented: report.invented, outOfOrder: report.outOfOrder };
  } finally {
    await world.stop();
  }
}

/** Each instance of some services is replaced in turn. */
function roll(rolling: Rolling): Promise<Outcome> {
  const { delay, rounds, replaced } = rolling;
  return underLoad(`rolling with a delay of ${delay}`, rolling, async (world, cluster, load) => {
    for (let round = 1; round <= rounds; round++) {
      for (const service of replaced) {
        for (const instance of cluster.of(service)) {
          await world.replace(cluster, instance);
          say(`round ${round}, a ${service} replaced: latest ${load.takeLatest()} ms`);
        }
      }
    }
  });
}

/** An instance of a service is killed, and the others go on. */
function kill(service: ServiceName): Promise<Outcome> {
  return underLoad(`a ${service} killed`, { delay: '0s', changesPerSecond: 50 }, async (world, cluster, load) => {
    const [instance] = cluster.of(service);
    await instance!.process.stop('SIGKILL');
    const known = load.arrivals.length;
    await cluster.remove(instance!);
    await eventually('the others have taken over', () => load.arrivals.length > known + 200, 120_000);
    await world.followed();
    await wait(TAKEOVER_MS);
  });
}

describe.runIf(form !== undefined && (await LocalKafka.missing()) === undefined)('instances that are replaced one by one', () => {
  it(
    'refuse and fail no request, and lose and reorder nothing',
    async () => {
      const outcome = await roll({
        delay: '3s',
        rounds: long ? 3 : 1,
        changesPerSecond: long ? 200 : 50,
        replaced: long ? SERVICES : ['subscription-api', 'presence'],
      });
      expect(outcome.changes).toBeGreaterThan(100);
      expect(outcome).toMatchObject({ refused: 0, failed: [], lost: [], invented: [], outOfOrder: [] });
      if (!long) return;
      expect(outcome.latest).toBeLessThanOrEqual(1500);
      expect(outcome.p99).toBeLessThanOrEqual(300);
    },
    long ? 1_200_000 : 400_000,
  );

  it.runIf(long).each([
    { service: 'presence', latestMs: 12_000 },
    { service: 'dispatcher', latestMs: DELIVERY_TIMEOUT_MS + 10_000 },
  ] as const)(
    'lose and reorder nothing where a $service is killed, and are late by $latestMs ms at most',
    async ({ service, latestMs }) => {
      const outcome = await kill(service);
      expect(outcome).toMatchObject({ lost: [], invented: [], outOfOrder: [] });
      expect(outcome.latest).toBeLessThanOrEqual(latestMs);
    },
    600_000,
  );

  it.runIf(long)(
    'fail requests without the delay',
    async () => {
      const outcome = await roll({ delay: '0s', rounds: 3, changesPerSecond: 200, replaced: ['subscription-api', 'presence'] });
      expect(outcome.refused + outcome.failed.length).toBeGreaterThan(0);
    },
    1_200_000,
  );
});
