import { Counter, Gauge, type Registry } from 'prom-client';

/** How far a group is behind in one partition. */
export interface PartitionLag {
  readonly topic: string;
  readonly partition: number;
  /** Records that are not committed yet. */
  readonly records: number;
}

/** Metrics of the bus: contract §8, `/metrics`. */
export class BusMetrics {
  private readonly losses: Counter<'group'>;
  private readonly unreadable: Counter<'topic'>;
  private readonly lag: Gauge<'group' | 'topic' | 'partition'>;

  constructor(registry: Registry) {
    const registers = [registry];
    this.losses = new Counter({
      name: 'rollcall_bus_membership_losses_total',
      help: 'Times that this instance lost its place in a consumer group other than by a rebalance.',
      labelNames: ['group'],
      registers,
    });
    this.unreadable = new Counter({
      name: 'rollcall_bus_unreadable_total',
      help: 'Batches, or rests of batches, that could not be read and were passed over.',
      labelNames: ['topic'],
      registers,
    });
    this.lag = new Gauge({
      name: 'rollcall_consumer_lag_records',
      help: 'Records of the partitions that this instance consumes which its group has not committed yet.',
      labelNames: ['group', 'topic', 'partition'],
      registers,
    });
  }

  countLoss(group: string): void {
    this.losses.inc({ group });
  }

  countUnreadable(topic: string): void {
    this.unreadable.inc({ topic });
  }

  /** Sets how far a group is behind in the partitions that are this instance's; of others nothing is said any more. */
  setLag(group: string, lags: readonly PartitionLag[]): void {
    this.lag.reset();
    for (const { topic, partition, records } of lags) this.lag.set({ group, topic, partition }, records);
  }
}
