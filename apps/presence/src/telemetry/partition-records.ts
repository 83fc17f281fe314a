import type { AgentKey, FieldErrors } from '#contracts';
import { parseTelemetry, partitionKey } from '#contracts';
import type { TelemetryPosition } from '../log/telemetry-position.repository.js';
import type { PendingItem } from './agent-batch.js';
import { describeRejection } from './telemetry-record.js';

/** A record of a partition whose value is JSON. */
export interface PartitionRecord {
  readonly offset: number;
  /** Parsed JSON. */
  readonly value: unknown;
  /** The record's own time, in milliseconds since the epoch; not positive where it has none. */
  readonly timestamp: number;
  /** W3C trace context of its headers. */
  readonly traceparent: string | undefined;
}

/** An item of a partition, with the offset of its record. */
export interface PartitionItem extends PendingItem {
  readonly offset: number;
}

/** What a batch of a partition's records asks for. */
export interface PartitionPlan {
  /** Items from before the next offset that were left undecided, in order. */
  readonly leftover: readonly PartitionItem[];
  /** Items that are new, in order. */
  readonly items: readonly PartitionItem[];
  /** The latest time of all that came, in milliseconds since the epoch; null while that is nothing. */
  readonly asOf: number | null;
  /** Why records cannot be used, by offset. */
  readonly rejected: Map<number, string>;
  /** Those of the rejected that may be valid when they are consumed again: they have to be remembered. */
  readonly kept: Map<number, string>;
}

/**
 * Sorts records by their offset into those that were decided before and those that are to be decided: contract §4. Pure. An item that
 * does not say when it occurred gets its record's time, but neither later than its receipt nor earlier than what came before it in
 * its partition.
 *
 * @param now of the receipt, in milliseconds since the epoch
 */
export function planRecords(records: readonly PartitionRecord[], position: TelemetryPosition, now: number): PartitionPlan {
  const { nextOffset, undecided } = position;
  const left = new Set(undecided?.agents.map(partitionKey));
  const isLeft = (offset: number, agent: AgentKey): boolean =>
    undecided !== null && offset >= undecided.from && left.has(partitionKey(agent));
  const rejected = new Map<number, string>();
  const kept = new Map<number, string>();
  const leftover: PartitionItem[] = [];
  const items: PartitionItem[] = [];
  let asOf = position.asOf ?? -Infinity;
  for (const { offset, value, timestamp, traceparent } of records) {
    const known = position.rejected[offset];
    const parsed = parseTelemetry(value, now);
    if (!parsed.ok) {
      rejected.set(offset, known ?? describeRejection(parsed.errors));
      if (mayComeTrue(parsed.errors)) kept.set(offset, rejected.get(offset)!);
    } else if (offset >= nextOffset || isLeft(offset, parsed.item)) {
      const occurredAt = parsed.item.occurredAt ?? Math.max(asOf, timestamp > 0 ? Math.min(timestamp, now) : now);
      asOf = Math.max(asOf, Math.min(occurredAt, now));
      (offset >= nextOffset ? items : leftover).push({
        offset,
        item: { ...parsed.item, occurredAt },
        traceparent,
        result: undefined,
      });
    } else if (known !== undefined) {
      rejected.set(offset, known);
      kept.set(offset, known);
    }
  }
  return { leftover, items, asOf: asOf === -Infinity ? null : asOf, rejected, kept };
}

/** Tells whether an item may become valid: a time too far ahead does not stay so. */
function mayComeTrue(errors: FieldErrors): boolean {
  return errors['occurred_at'] !== undefined;
}
