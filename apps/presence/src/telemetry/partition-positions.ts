import type { BusBatch } from '#bus';
import type { Pool } from '#database';
import { readPosition, type TelemetryPosition } from '../log/telemetry-position.repository.js';
import type { PresenceMetrics } from '../metrics.js';

/**
 * How far the partitions of telemetry have been decided. Read once an assignment: while that stands nobody else moves them, and
 * somebody who still does, after a partition was taken from him, is found out by the write, which compares.
 */
export class PartitionPositions {
  private readonly ofAssignment = new WeakMap<AbortSignal, Map<string, TelemetryPosition>>();

  constructor(
    private readonly pool: Pool,
    private readonly metrics: PresenceMetrics,
  ) {}

  /** @throws the bus's error, or the database's */
  async of(batch: BusBatch): Promise<TelemetryPosition> {
    const topicId = await batch.topicId();
    const { partition } = batch.records[0]!;
    const known = this.known(batch).get(`${topicId}[${partition}]`);
    return known ?? this.metrics.time('read_position', () => readPosition(this.pool, topicId, partition));
  }

  /** Keeps what the position of the batch's partition has become. */
  keep(batch: BusBatch, position: TelemetryPosition): void {
    this.known(batch).set(`${position.topicId}[${position.partition}]`, position);
  }

  /** Has it read again: something failed, and who knows what was written. */
  forget(batch: BusBatch): void {
    this.ofAssignment.delete(batch.signal);
  }

  private known({ signal }: BusBatch): Map<string, TelemetryPosition> {
    let known = this.ofAssignment.get(signal);
    if (!known) this.ofAssignment.set(signal, (known = new Map<string, TelemetryPosition>()));
    return known;
  }
}
