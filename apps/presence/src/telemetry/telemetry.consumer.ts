import { Controller, UseFilters } from '@nestjs/common';
import { EventPattern, Payload } from '@nestjs/microservices';
import { BusExceptionFilter, type BusBatch, type BusRecord } from '#bus';
import { TELEMETRY_TOPIC } from '#contracts';
import { DeadLetters } from './dead-letters.js';
import { parseRecord, reasonOf } from './telemetry-record.js';
import { TelemetryService } from './telemetry.service.js';

/** Telemetry over Kafka: contract §4. What is redelivered finds its changes already made and changes nothing. */
@Controller()
@UseFilters(BusExceptionFilter)
export class TelemetryConsumer {
  constructor(
    private readonly service: TelemetryService,
    private readonly deadLetters: DeadLetters,
  ) {}

  /** Resolves when every change is durable and everything unusable is on the dead-letter topic. */
  @EventPattern(TELEMETRY_TOPIC)
  async consume(@Payload() { records }: BusBatch): Promise<void> {
    const values: unknown[] = [];
    const places: number[] = []; // of the values, among the records
    const reasons = new Map<number, string>(); // why the record at that place cannot be used
    records.forEach((record, place) => {
      const parsed = record.unreadable ? { error: reasonOfUnreadable(record) } : parseRecord(record.value);
      if ('error' in parsed) {
        reasons.set(place, parsed.error);
      } else {
        values.push(parsed.value);
        places.push(place);
      }
    });
    const now = Date.now();
    const times = places.map((place) => receivedAt(records[place]!, now));
    const results = await this.service.apply(values, now, times);
    results.forEach((result, index) => {
      if (result.result === 'rejected') reasons.set(places[index]!, reasonOf(result.errors));
    });
    // In the order in which they came, whichever check they failed.
    const letters = records.flatMap((record, place) => {
      const reason = reasons.get(place);
      return reason === undefined ? [] : [{ record, reason }];
    });
    if (letters.length > 0) await this.deadLetters.send(letters);
  }
}

/**
 * When an item was received: when the topic got it, not when it is consumed. What is consumed again after a crash is then as old
 * as it was, and stale behind what followed it, where it would be a change again if it were taken for new.
 *
 * @param now for a record that carries no time, or one to come
 */
function receivedAt({ timestamp }: BusRecord, now: number): number {
  return timestamp > 0 ? Math.min(timestamp, now) : now;
}

/** Names what is passed over: of an unreadable batch there is nothing else that a dead letter could carry. */
function reasonOfUnreadable({ topic, partition, offset, unreadable }: BusRecord): string {
  return `batch: ${unreadable?.reason}; passed over: offsets ${unreadable?.firstOffset} to ${offset} of partition ${partition} of ${topic}`;
}
