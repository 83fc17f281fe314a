import type { OperatedTopic, PartitionOffset } from '#bus';

/** How far the restored database has decided a partition of telemetry: a row of `presence.telemetry_position`. */
export interface DecidedPartition {
  readonly topicId: string;
  readonly partition: number;
  /** The first offset that has to be consumed again, for whatever reason. */
  readonly from: number;
}

/** Where telemetry is consumed from after a restore. */
export interface Rewind extends PartitionOffset {
  /** Records that will be consumed. */
  readonly records: number;
  /** Records that would have to be and are no longer kept. */
  readonly lost: number;
}

/**
 * Plans from where telemetry is consumed so that the restored database gets what it has not decided, and nothing twice. Of a partition
 * that it knows nothing of, and of a topic that was made anew since, everything is new to it. Pure.
 */
export function planRewind({ id, partitions }: OperatedTopic, decided: readonly DecidedPartition[]): Rewind[] {
  return partitions.map(({ partition, low, high }) => {
    const known = decided.find((one) => one.topicId === id && one.partition === partition);
    const offset = Math.min(Math.max(known?.from ?? low, low), high);
    return { partition, offset, records: high - offset, lost: Math.max(0, low - (known?.from ?? low)) };
  });
}
