import type { TestProject } from 'vitest/node';
import { LocalKafka } from '../../tools/kafka/local-kafka.js';

/** For suites that need a broker of their own, to take it away or since names are fixed. */
export { LocalKafka };

declare module 'vitest' {
  interface ProvidedContext {
    /** Kafka for the run, shared: tests use random topics and groups. Empty: there is none, and suites that need it are skipped. */
    kafkaBrokers: string[];
  }
}

/**
 * Sets Kafka up for a run (vitest global setup): KAFKA_BROKERS, or a local Kafka where Java and Maven are there. Else the suites that
 * need it are skipped, by name; with REQUIRE_KAFKA=1 that is a failure instead.
 */
export async function setup(project: TestProject): Promise<(() => Promise<void>) | undefined> {
  const given = process.env['KAFKA_BROKERS'];
  if (given) {
    project.provide('kafkaBrokers', given.split(','));
    return undefined;
  }
  const missing = await LocalKafka.missing();
  if (missing !== undefined) {
    const message = `There is no Kafka (${missing} is missing, KAFKA_BROKERS is not set)`;
    if (process.env['REQUIRE_KAFKA'] === '1') throw new Error(message);
    process.stderr.write(`${message}: the suites that need it are skipped.\n`);
    project.provide('kafkaBrokers', []);
    return undefined;
  }
  const kafka = await LocalKafka.start({ say: (line) => process.stderr.write(`${line}\n`) });
  project.provide('kafkaBrokers', kafka.brokers);
  return () => kafka.stop();
}
