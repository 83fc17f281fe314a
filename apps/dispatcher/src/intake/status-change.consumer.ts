import { Controller, UseFilters } from '@nestjs/common';
import { EventPattern, Payload } from '@nestjs/microservices';
import { BusExceptionFilter, type BusBatch, type BusRecord } from '#bus';
import { decodeStatusChange, MAX_RECORD_BYTES, STATUS_CHANGED_TOPIC, type StatusChange } from '#contracts';
import type { Logger } from '#runtime';
import { ShardLeases } from '../lanes/shard-leases.js';
import type { DispatcherMetrics } from '../metrics.js';
import { Intake } from './intake.js';

/** Of a key that somebody else chose. */
const MAX_LOGGED_KEY = 100;

/** What the consumer tells an operator with; a class, so that Nest can inject it. */
export class ConsumerReport {
  constructor(
    readonly metrics: DispatcherMetrics,
    readonly logger: Logger,
  ) {}
}

/** Status changes in: contract §5. What is redelivered and recorded already notifies nobody. */
@Controller()
@UseFilters(BusExceptionFilter)
export class StatusChangeConsumer {
  constructor(
    private readonly intake: Intake,
    private readonly leases: ShardLeases,
    private readonly report: ConsumerReport,
  ) {}

  /** Says that it has taken the batch when it is planned; resolves when everything about it is recorded. */
  @EventPattern(STATUS_CHANGED_TOPIC)
  async consume(@Payload() { records, signal, taken }: BusBatch): Promise<void> {
    const changes = records.flatMap((record) => this.decode(record));
    if (changes.length === 0) return;
    await this.leases.ready(records[0]!.partition, signal);
    const { recorded } = await this.intake.plan(changes);
    taken();
    await recorded;
  }

  /** What is no status change was not written by presence. It is told and passed over: it must not hold up its partition. */
  private decode(record: BusRecord): StatusChange[] {
    try {
      if (record.unreadable) throw new Error(record.unreadable.reason);
      if ((record.value?.length ?? 0) > MAX_RECORD_BYTES) throw new Error(`the value has more than ${MAX_RECORD_BYTES} bytes`);
      return [decodeStatusChange(record.value?.toString('utf8') ?? '', record.headers)];
    } catch (error) {
      const { partition, offset } = record;
      const key = record.key?.slice(0, MAX_LOGGED_KEY);
      this.report.metrics.undecodable.inc();
      this.report.logger.error({ err: error, partition, offset, key }, 'status_change.undecodable');
      return [];
    }
  }
}
