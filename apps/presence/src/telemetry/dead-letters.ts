import type { BusMessage, BusProducer } from '#bus';
import { TELEMETRY_DEAD_LETTER_TOPIC } from '#contracts';
import type { Logger } from '#runtime';
import type { PresenceMetrics } from '../metrics.js';

/** Where telemetry goes that nobody can use, for people to look at: contract §4. */
export class DeadLetters {
  constructor(
    private readonly producer: BusProducer,
    private readonly metrics: PresenceMetrics,
    private readonly logger: Logger,
  ) {}

  /** Resolves when the letters are durable. */
  async send(letters: readonly BusMessage[]): Promise<void> {
    await this.producer.send(TELEMETRY_DEAD_LETTER_TOPIC, letters);
    this.metrics.countDeadLetters(letters.length);
    this.logger.warn({ records: letters.length }, 'telemetry.dead_lettered');
  }
}
