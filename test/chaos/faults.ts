import { setTimeout as delay } from 'node:timers/promises';
import type { EmbeddedPostgres } from '#database';
import type { LocalKafka } from '../../tools/kafka/local-kafka.js';
import type { Cluster, Instance, ServiceName } from '../support/cluster.js';
import type { Random } from './random.js';

/** What may go wrong with production, one at a time. */
export interface World {
  readonly cluster: Cluster;
  readonly kafka: LocalKafka;
  readonly postgres: EmbeddedPostgres;
  readonly random: Random;
  /** Longer than any lease and session timeout, in milliseconds. */
  readonly freezeMs: number;
}

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
    await postgres.stop('immediate');
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
};
