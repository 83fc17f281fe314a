import { headerListOf, RecordTooLargeError, type BusMessage, type BusProducer, type BusRecord } from '#bus';
import { ERROR_HEADER, TELEMETRY_DEAD_LETTER_TOPIC } from '#contracts';
import type { Logger } from '#runtime';
import type { PresenceMetrics } from '../metrics.js';

/** A record that nobody can use, and why, in words for people. */
export interface DeadLetter {
  readonly record: BusRecord;
  readonly reason: string;
}

/** Sends telemetry that nobody can use to the dead-letter topic, for people to look at: contract §4. */
export class DeadLetters {
  constructor(
    private readonly producer: BusProducer,
    private readonly metrics: PresenceMetrics,
    private readonly logger: Logger,
  ) {}

  /**
   * Sends letters, and resolves when they are durable. For a record that is too large for the topic, a letter without its contents is sent.
   *
   * @throws BusUnavailableError when they are not; it does no harm to send them again
   */
  async send(letters: readonly DeadLetter[]): Promise<void> {
    try {
      await this.producer.send(TELEMETRY_DEAD_LETTER_TOPIC, letters.map(toMessage));
    } catch (error) {
      if (!(error instanceof RecordTooLargeError)) throw error;
      await this.sendOneByOne(letters);
    }
    this.metrics.countDeadLetters(letters.length);
    this.logger.warn({ records: letters.length }, 'telemetry.dead_lettered');
  }

  private async sendOneByOne(letters: readonly DeadLetter[]): Promise<void> {
    for (const letter of letters) {
      try {
        await this.producer.send(TELEMETRY_DEAD_LETTER_TOPIC, [toMessage(letter)]);
      } catch (error) {
        if (!(error instanceof RecordTooLargeError)) throw error;
        await this.producer.send(TELEMETRY_DEAD_LETTER_TOPIC, [toStub(letter)]);
      }
    }
  }
}

function toMessage({ record, reason }: DeadLetter): BusMessage {
  return {
    key: record.keyBytes ?? record.key,
    value: record.value,
    // Ours is the last: whoever reads the last of several is never told another's reason.
    headerList: [...headerListOf(record), { name: ERROR_HEADER, value: reason }],
  };
}

/** Says where the record stands that is too large to be copied. */
function toStub({ record, reason }: DeadLetter): BusMessage {
  const { topic, partition, offset, value } = record;
  const where = `its ${value?.length ?? 0} bytes are too large for this topic and stand at offset ${offset} of partition ${partition} of ${topic}`;
  return { key: null, value: null, headerList: [{ name: ERROR_HEADER, value: `${reason}; ${where}` }] };
}
