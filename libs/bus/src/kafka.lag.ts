import type { Admin, Kafka } from 'kafkajs';
import { PeriodicWork, settledWithin, type Logger } from '#runtime';
import type { BusMetrics, PartitionLag } from './bus-metrics.js';
import type { BusPartitions } from './bus.js';

/** From one look to the next, in milliseconds. */
const LOOK_MS = 10_000;
const DISCONNECT_TIMEOUT_MS = 2000;

export interface ConsumerLagOptions {
  readonly kafka: Kafka;
  readonly groupId: string;
  /** The partitions that are this member's now, by the topics' names on the broker. */
  readonly assigned: () => BusPartitions;
  readonly metrics: BusMetrics;
  readonly logger: Logger;
}

/**
 * Measures how far a member's group is behind in its partitions, by asking the broker: what was fetched says little of what is
 * there once a handler that is stuck keeps further fetches away.
 */
export class ConsumerLag {
  private readonly work: PeriodicWork;
  private admin: Admin | undefined;

  constructor(private readonly options: ConsumerLagOptions) {
    const { logger, groupId } = options;
    // Readiness says that the broker is away.
    this.work = new PeriodicWork((error) => logger.debug({ err: error, group_id: groupId }, 'bus.lag_unknown'));
  }

  start(): void {
    this.work.every(LOOK_MS, () => this.look());
  }

  /** Lets go of the broker, soon. */
  async stop(): Promise<void> {
    await settledWithin(DISCONNECT_TIMEOUT_MS, [this.work.stop().then(() => this.admin?.disconnect())]);
  }

  /** Measures it now. @throws the broker's error; what was measured before is then no longer said */
  async look(): Promise<void> {
    const { groupId, metrics } = this.options;
    let lags: readonly PartitionLag[] = [];
    try {
      lags = await this.measure();
    } finally {
      metrics.setLag(groupId, lags);
    }
  }

  private async measure(): Promise<PartitionLag[]> {
    const { kafka, groupId, assigned } = this.options;
    const partitions = assigned();
    if (partitions.size === 0) return [];
    this.admin ??= kafka.admin();
    await this.admin.connect();
    const lags: PartitionLag[] = [];
    for (const [topic, own] of partitions) {
      const all = await readLag(this.admin, groupId, topic);
      lags.push(...all.filter(({ partition }) => own.includes(partition)));
    }
    return lags;
  }
}

/** Reads how far a group is behind in each partition of a topic. @throws the broker's error */
export async function readLag(admin: Admin, groupId: string, topic: string): Promise<PartitionLag[]> {
  // Before the ends: what is committed in between must not make a lag below nothing.
  const [group] = await admin.fetchOffsets({ groupId, topics: [topic] });
  const committed = new Map(group?.partitions.map(({ partition, offset }) => [partition, Number(offset)]));
  return (await admin.fetchTopicOffsets(topic)).map(({ partition, low, high }) => {
    // Where nothing is committed yet, or what was is no longer kept, the group begins with the oldest record.
    const next = Math.max(committed.get(partition) ?? 0, Number(low));
    return { topic, partition, records: Math.max(0, Number(high) - next) };
  });
}
