import { setTimeout as delay } from 'node:timers/promises';
import { DISPATCHER_GROUP, STATUS_CHANGED_TOPIC } from '#contracts';
import type { LocalKafka } from '../../tools/kafka/local-kafka.js';
import type { Cluster, Instance, ServiceName } from '../support/cluster.js';
import type { FailoverPostgres } from '../support/failover-postgres.js';
import type { KafkaTap } from '../support/kafka-tap.js';
import { eventually } from '../support/poll.js';
import type { Random } from './random.js';
import type { ChaosReceivers } from './receivers.js';

/** What may go wrong with production, one at a time. */
export interface World {
  readonly cluster: Cluster;
  readonly kafka: LocalKafka;
  readonly postgres: FailoverPostgres;
  readonly tap: KafkaTap;
  readonly receivers: ChaosReceivers;
  readonly random: Random;
  /** Longer than any lease and session timeout, in milliseconds. */
  readonly freezeMs: number;
}

const TIMEOUT_MS = 60_000;
/** Of slow receivers, below the timeout of an attempt. */
const SLOW_MS = 1000;
const VICTIMS: readonly ServiceName[] = ['presence', 'dispatcher'];

function anyVictim({ cluster, random }: World): Instance {
  return random.pick(VICTIMS.flatMap((service) => cluster.of(service)));
}

/** Name → the fault, which resolves when what it broke is back. */
export const FAULTS: Readonly<Record<string, (world: World) => Promise<void>>> = {
  'kill -9 of a service': async (world) => {
    const victim = anyVictim(world);
    await victim.process.stop('SIGKILL');
    await world.cluster.restart(victim);
  },
  'SIGTERM of a service, and another in its place': async (world) => {
    const victim = anyVictim(world);
    await victim.process.stop('SIGTERM');
    await world.cluster.restart(victim);
  },
  'kill -9 of the broker': async ({ kafka, random }) => {
    await kafka.kill();
    await delay(random.below(2000));
    await kafka.restart();
  },
  'PostgreSQL crash and restart': async ({ postgres, random }) => {
    await postgres.crash();
    await delay(random.below(2000));
    await postgres.restart();
  },
  'frozen service': async (world) => {
    const victim = anyVictim(world);
    victim.process.signal('SIGSTOP');
    await delay(world.freezeMs);
    victim.process.signal('SIGCONT');
  },
  'instance added and removed': async ({ cluster, random }) => {
    const added = await cluster.add(random.pick(VICTIMS));
    await delay(random.below(3000));
    await cluster.remove(added);
  },
  'rebalance with slow receivers': async ({ cluster, receivers, random }) => {
    receivers.slowDown(SLOW_MS);
    const added = await cluster.add('dispatcher');
    await delay(random.below(2000));
    await cluster.remove(added);
    receivers.slowDown(0);
  },
  'partitions raised': async ({ tap, random }) => {
    await eventually('more partitions', () => tap.addPartitions(STATUS_CHANGED_TOPIC, 1 + random.below(6)), TIMEOUT_MS);
  },
  'database failover': ({ postgres }) => postgres.failOver(),
  'offsets moved past what was not read': async ({ cluster, tap, random }) => {
    const dispatchers = cluster.of('dispatcher');
    await Promise.all(dispatchers.map(({ process }) => process.stop('SIGTERM')));
    await delay(random.below(2000));
    await eventually('offsets moved', () => tap.skipToEnd(DISPATCHER_GROUP, STATUS_CHANGED_TOPIC).then(() => true), TIMEOUT_MS);
    for (const dispatcher of dispatchers) await cluster.restart(dispatcher);
  },
};
