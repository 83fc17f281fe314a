import type { Admin, ITopicConfig, Kafka } from 'kafkajs';
import { settledWithin, waitBackoff, type Backoff } from '#runtime';
import { BusUnavailableError } from './bus.js';
import { explainKafkaError } from './kafka-error.js';
import { createClient, protocolErrorOf, type KafkaBusOptions } from './kafka.client.js';

const ENSURE_BACKOFF: Backoff = { firstMs: 200, maxMs: 5000 };
const DISCONNECT_TIMEOUT_MS = 2000;
/** Answers of the broker to readiness are good for this long, in milliseconds. */
const CHECK_TTL_MS = 1000;
/** Longest that readiness waits for a newer answer, in milliseconds: orchestrators give up after a second. */
const CHECK_PATIENCE_MS = 500;
/** From one look at whether the topics are still there to the next, in milliseconds. */
const LOOK_MS = 5000;

/** Records are taken as they come by a dead-letter topic, to which headers are added: its limit is above the others'. */
const DEAD_LETTER_TOPIC = /\.dlq$/;
const DEAD_LETTER_MAX_BYTES = 8 * 1024 * 1024;

/** Creates the topics that a service needs when they are missing, at the start and whenever somebody has deleted one. */
export class KafkaTopics {
  /** Client with short timeouts and no retries, for readiness. */
  private readonly probe: Kafka;
  private readonly closing = new AbortController();
  /** Topics that have existed: if one is missing, somebody has deleted it. */
  private readonly known = new Set<string>();
  private prober: Promise<Admin> | undefined;
  /** Outcome of the last finished check, and when it finished. */
  private answer: { at: number; result: Promise<void> } | undefined;
  private asking: Promise<void> | undefined;
  private looking: Promise<void> | undefined;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly kafka: Kafka,
    private readonly options: KafkaBusOptions,
  ) {
    this.probe = createClient(options, { connectionTimeout: 1500, requestTimeout: 1500, retry: { retries: 0 } });
  }

  /** Creates the topics that are missing, now and from now on. @throws BusUnavailableError once it is stopped */
  async ensure(topics: readonly string[]): Promise<void> {
    await this.make(topics);
    for (const topic of topics) this.known.add(topic);
    if (!this.closing.signal.aborted) this.timer ??= setInterval(() => this.lookSoon(), LOOK_MS).unref();
  }

  /**
   * Checks that the broker has the topics. Answers soon: while the broker takes its time, the answer before holds.
   *
   * @throws BusUnavailableError when the broker cannot be reached now, or one of the topics is missing
   */
  async check(): Promise<void> {
    if (!this.answer || performance.now() - this.answer.at > CHECK_TTL_MS) {
      this.asking ??= this.askAnew();
      await (this.answer ? settledWithin(CHECK_PATIENCE_MS, [this.asking]) : this.asking);
    }
    await this.answer?.result;
  }

  /** Reads how many partitions a topic has. @throws BusUnavailableError when the broker does not answer */
  async partitionCount(topic: string): Promise<number> {
    const metadata = await this.asked((admin) => admin.fetchTopicMetadata({ topics: [topic] }));
    return metadata.topics[0]!.partitions.length;
  }

  /** Checks in the background whether the topics still exist, and creates the missing ones. */
  lookSoon(): void {
    this.looking ??= this.look().finally(() => (this.looking = undefined));
  }

  /** Stops the background checks. */
  stop(): void {
    this.closing.abort();
    clearInterval(this.timer);
  }

  /** Stops, and closes the connections. */
  async close(): Promise<void> {
    this.stop();
    await this.looking;
    await this.dropProber();
  }

  private async look(): Promise<void> {
    const topics = [...this.known];
    try {
      await this.ask();
    } catch (error) {
      if (!isTopicMissing(error) || this.closing.signal.aborted) return; // readiness says that the broker is away
      this.options.logger.error({ err: error, topics }, 'bus.topic_missing');
      await this.make(topics).catch(() => undefined); // stopped meanwhile
    }
  }

  private async make(topics: readonly string[]): Promise<void> {
    const { logger } = this.options;
    for (let attempt = 1; !this.closing.signal.aborted; attempt++) {
      const admin = this.kafka.admin();
      try {
        await admin.connect();
        const existing = new Set(await admin.listTopics());
        const missing = topics.filter((topic) => !existing.has(topic));
        if (missing.length === 0) return;
        // False when another service was faster; then, as after an error, what is there is looked up again.
        if (await admin.createTopics({ topics: missing.map((topic) => this.topicConfig(topic)) })) {
          logger.info({ topics: missing }, 'bus.topics_created');
          return;
        }
      } catch (error) {
        logger.warn({ err: error, topics, attempt }, 'bus.ensure_topics_failed');
      } finally {
        await settledWithin(DISCONNECT_TIMEOUT_MS, [admin.disconnect()]);
      }
      await waitBackoff(attempt, ENSURE_BACKOFF, this.closing.signal);
    }
    throw new BusUnavailableError('the bus was closed before its topics could be made');
  }

  private async askAnew(): Promise<void> {
    const result = this.ask();
    await Promise.allSettled([result]);
    this.answer = { at: performance.now(), result };
    this.asking = undefined;
  }

  private async ask(): Promise<void> {
    const topics = [...this.known];
    await this.asked(async (admin) => {
      if (topics.length === 0) await admin.describeCluster();
      else await admin.fetchTopicMetadata({ topics });
    });
  }

  private async asked<T>(question: (admin: Admin) => Promise<T>): Promise<T> {
    if (this.closing.signal.aborted) throw new BusUnavailableError('the bus is closed');
    this.prober ??= connectedAdmin(this.probe);
    try {
      return await question(await this.prober);
    } catch (error) {
      if (isTopicMissing(error)) {
        throw new BusUnavailableError(`a topic is missing in Kafka, and is being made: one of ${[...this.known].join(', ')}`, {
          cause: error,
        });
      }
      await this.dropProber();
      throw new BusUnavailableError(`Kafka cannot be reached: ${explainKafkaError(error)}`, {
        cause: error,
      });
    }
  }

  private async dropProber(): Promise<void> {
    const prober = this.prober;
    this.prober = undefined;
    if (prober) await settledWithin(DISCONNECT_TIMEOUT_MS, [prober.then((admin) => admin.disconnect())]);
  }

  private topicConfig(topic: string): ITopicConfig {
    return {
      topic,
      numPartitions: this.options.partitions,
      replicationFactor: -1,
      configEntries: DEAD_LETTER_TOPIC.test(topic) ? [{ name: 'max.message.bytes', value: String(DEAD_LETTER_MAX_BYTES) }] : [],
    };
  }
}

function isTopicMissing(error: unknown): boolean {
  return protocolErrorOf(error) === 'UNKNOWN_TOPIC_OR_PARTITION';
}

async function connectedAdmin(kafka: Kafka): Promise<Admin> {
  const admin = kafka.admin();
  try {
    await admin.connect();
    return admin;
  } catch (error) {
    await settledWithin(DISCONNECT_TIMEOUT_MS, [admin.disconnect()]);
    throw error;
  }
}
