import { Controller, UseFilters } from '@nestjs/common';
import { EventPattern, Payload } from '@nestjs/microservices';
import { BusExceptionFilter, type BusBatch, type BusMessage, type BusRecord } from '#bus';
import { ERROR_HEADER, TELEMETRY_TOPIC } from '#contracts';
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
    const sources: BusRecord[] = [];
    const letters: BusMessage[] = [];
    for (const record of records) {
      const parsed = parseRecord(record.value);
      if ('error' in parsed) {
        letters.push(toDeadLetter(record, parsed.error));
        continue;
      }
      values.push(parsed.value);
      sources.push(record);
    }
    const results = await this.service.apply(values, Date.now());
    results.forEach((result, index) => {
      if (result.result === 'rejected') letters.push(toDeadLetter(sources[index]!, reasonOf(result.errors)));
    });
    if (letters.length > 0) await this.deadLetters.send(letters);
  }
}

function toDeadLetter(record: BusRecord, reason: string): BusMessage {
  return {
    key: record.keyBytes ?? record.key,
    value: record.value,
    headers: { ...record.headers, [ERROR_HEADER]: reason },
  };
}
