import { Controller, UseFilters } from '@nestjs/common';
import { EventPattern, Payload } from '@nestjs/microservices';
import { BusExceptionFilter, type BusBatch, type BusRecord } from '#bus';
import { decodeStatusChange, MAX_RECORD_BYTES, STATUS_CHANGED_TOPIC, type StatusChange } from '#contracts';
import type { Logger } from '#runtime';
import type { DispatcherMetrics } from '../metrics.js';
import { FanOutService } from './fan-out.service.js';

/** Of a key that somebody else chose. */
const MAX_LOGGED_KEY = 100;

/** What the consumer tells an operator with; a class, so that Nest can inject it. */
export class ConsumerReport {
  constructor(
    readonly metrics: DispatcherMetrics,
    readonly logger: Logger,
  ) {}
}

/** Status changes in: contract §5. What is redelivered has been fanned out already, and queues nothing. */
@Controller()
@UseFilters(BusExceptionFilter)
export class StatusChangeConsumer {
  constructor(
    private readonly fanOut: FanOutService,
    private readonly report: ConsumerReport,
  ) {}

  /** Resolves when the deliveries of the whole batch are durable. */
  @EventPattern(STATUS_CHANGED_TOPIC)
  async consume(@Payload() { records }: BusBatch): Promise<void> {
    await this.fanOut.submit(records.flatMap((record) => this.decode(record)));
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
