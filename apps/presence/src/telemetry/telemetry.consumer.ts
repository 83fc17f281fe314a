import { Controller, UseFilters } from '@nestjs/common';
import { EventPattern, Payload } from '@nestjs/microservices';
import { BusExceptionFilter, type BusBatch, type BusRecord } from '#bus';
import { TELEMETRY_TOPIC } from '#contracts';
import { DeadLetters } from './dead-letters.js';
import type { PartitionRecord } from './partition-records.js';
import { parseRecord } from './telemetry-record.js';
import { TelemetryService } from './telemetry.service.js';

/** Telemetry over Kafka: contract §4. What is consumed again is known by its partition and offset: ADR 19. */
@Controller()
@UseFilters(BusExceptionFilter)
export class TelemetryConsumer {
  constructor(
    private readonly service: TelemetryService,
    private readonly deadLetters: DeadLetters,
  ) {}

  /** Resolves when every change is durable and everything unusable is on the dead-letter topic. */
  @EventPattern(TELEMETRY_TOPIC)
  async consume(@Payload() batch: BusBatch): Promise<void> {
    const usable: PartitionRecord[] = [];
    const reasons = new Map<number, string>(); // why the record at that offset cannot be used
    for (const record of batch.records) {
      const offset = Number(record.offset);
      const parsed = record.unreadable ? { error: reasonOfUnreadable(record) } : parseRecord(record.value);
      if ('error' in parsed) reasons.set(offset, parsed.error);
      else usable.push({ offset, value: parsed.value, timestamp: record.timestamp, traceparent: record.headers['traceparent'] });
    }
    for (const [offset, reason] of await this.service.applyRecords(batch, usable)) reasons.set(offset, reason);
    // In the order in which they came, whichever check they failed.
    const letters = batch.records.flatMap((record) => {
      const reason = reasons.get(Number(record.offset));
      return reason === undefined ? [] : [{ record, reason }];
    });
    if (letters.length > 0) await this.deadLetters.send(letters);
  }
}

/** Names what is passed over: of an unreadable batch there is nothing else that a dead letter could carry. */
function reasonOfUnreadable({ topic, partition, offset, unreadable }: BusRecord): string {
  return `batch: ${unreadable?.reason}; passed over: offsets ${unreadable?.firstOffset} to ${offset} of partition ${partition} of ${topic}`;
}
