import { type ICustomPartitioner, type Kafka, type Message, type Producer } from 'kafkajs';
import { Coalescer, settledWithin, within, type Logger } from '#runtime';
import {
  BusUnavailableError,
  RecordTooLargeError,
  type BusHeader,
  type BusMessage,
  type BusProducer,
  type SendOptions,
} from './bus.js';
import { headerListOf } from './headers.js';
import { partitionOf } from './key-hash.js';
import { protocolErrorOf } from './kafka.client.js';

/** A `send` is rejected after this, in milliseconds, wherever it has got to. */
const SEND_TIMEOUT_MS = 15_000;
const DISCONNECT_TIMEOUT_MS = 5000;
/** Most of one request, in bytes; brokers refuse batches over 1 MiB unless configured otherwise, and all may go to one partition. */
const MAX_REQUEST_BYTES = 512 * 1024;
const MAX_REQUEST_RECORDS = 5000;

interface Send {
  readonly topic: string;
  readonly messages: Message[];
  readonly bytes: number;
  /** Set when its sender was told that it failed: it is not sent any more. */
  isOver: boolean;
}

/**
 * An idempotent producer with one request in flight; what is sent meanwhile shares the next one.
 *
 * kafkajs takes a request's sequence numbers back when it fails without an answer. Were the same producer id used again,
 * a broker that had written those records after all would take the next ones for their repetition, and drop them
 * unseen. So whenever a request fails its producer is thrown away, and a new one gets a new id. And since an abandoned request
 * may go on inside kafkajs, nothing newer is sent before it has come to its end: order holds.
 */
export class KafkaProducer implements BusProducer {
  private readonly requests = new Coalescer<Send, void>({
    run: (sends) => this.request(sends.filter(({ isOver }) => !isOver)),
    maxItems: Infinity,
    maxWeight: 1,
    weightOf: ({ bytes, messages }) => Math.max(bytes / MAX_REQUEST_BYTES, messages.length / MAX_REQUEST_RECORDS),
    concurrency: 1,
    linger: queueMicrotask, // what is sent in the same turn goes together
  });
  private client: Producer | undefined;
  private retiring: Promise<void> | undefined;
  private closed = false;

  /**
   * @param prefix put before the name of every topic
   * @param onTopicMissing called when the broker does not know a topic that records were for
   */
  constructor(
    private readonly kafka: Kafka,
    private readonly prefix: string,
    private readonly logger: Logger,
    private readonly onTopicMissing: () => void,
  ) {}

  async connect(): Promise<void> {
    try {
      await this.connected();
    } catch (error) {
      this.logger.warn({ err: error }, 'bus.unreachable');
    }
  }

  async send(topic: string, messages: readonly BusMessage[], { onAccepted }: SendOptions = {}): Promise<void> {
    await this.sendAll(topic, messages);
    onAccepted?.();
  }

  private sendAll(topic: string, messages: readonly BusMessage[]): Promise<void> {
    if (this.closed) return Promise.reject(new BusUnavailableError('the producer is closed'));
    if (messages.length === 0) return Promise.resolve();
    const encoded = messages.map(encode);
    const bytes = encoded.reduce((sum, message) => sum + sizeOf(message), 0);
    const send: Send = { topic: `${this.prefix}${topic}`, messages: encoded, bytes, isOver: false };
    return within(SEND_TIMEOUT_MS, this.requests.add(send), () => {
      send.isOver = true;
      throw new BusUnavailableError(`Kafka did not acknowledge within ${SEND_TIMEOUT_MS / 1000} s`);
    });
  }

  async disconnect(): Promise<void> {
    this.closed = true;
    await this.requests.idle();
    await this.retiring;
    await this.retire();
  }

  private async request(sends: readonly Send[]): Promise<void> {
    if (sends.length === 0) return;
    await this.retiring;
    try {
      const client = await this.connected();
      // Part by part: once one has failed the later ones stay unsent, or they would stand before its repetition.
      for (const topicMessages of requestsOf(sends)) await client.sendBatch({ acks: -1, timeout: 10_000, topicMessages });
    } catch (error) {
      if (protocolErrorOf(error) === 'UNKNOWN_TOPIC_OR_PARTITION') this.onTopicMissing();
      this.retiring = this.retire(); // waited for by the next request, and by none of these senders
      throw rejectionOf(error);
    }
  }

  private async connected(): Promise<Producer> {
    if (this.client) return this.client;
    const client = this.kafka.producer({
      idempotent: true,
      allowAutoTopicCreation: false,
      createPartitioner: keyedPartitioner,
      metadataMaxAge: 60_000,
      retry: { initialRetryTime: 100, maxRetryTime: 1000, retries: 3 },
    });
    this.client = client;
    try {
      await client.connect();
    } catch (error) {
      await this.retire();
      throw error;
    }
    return client;
  }

  private async retire(): Promise<void> {
    const { client } = this;
    this.client = undefined;
    if (client) await settledWithin(DISCONNECT_TIMEOUT_MS, [client.disconnect()]);
  }
}

/**
 * The Java client's partitioner. A record without a key goes by its value instead of round robin, so that a repetition within one
 * request goes to the partition that its sequence number was taken for. Not kafkajs's own murmur2: it takes a time that grows
 * with the square of the length, and would hold up the whole process for minutes over a megabyte.
 */
const keyedPartitioner: ICustomPartitioner = () => {
  return ({ message: { key, value }, partitionMetadata }) => partitionOf(key ?? value ?? '', partitionMetadata.length);
};

/** Splits and groups sends into requests of bounded size, in order. */
function* requestsOf(sends: readonly Send[]): Generator<{ topic: string; messages: Message[] }[]> {
  let request = new Map<string, Message[]>();
  let bytes = 0;
  for (const { topic, messages } of sends) {
    for (const message of messages) {
      const size = sizeOf(message);
      if (bytes > 0 && bytes + size > MAX_REQUEST_BYTES) {
        yield grouped(request);
        request = new Map();
        bytes = 0;
      }
      bytes += size;
      const ofTopic = request.get(topic);
      if (ofTopic) ofTopic.push(message);
      else request.set(topic, [message]);
    }
  }
  yield grouped(request);
}

function grouped(request: ReadonlyMap<string, Message[]>): { topic: string; messages: Message[] }[] {
  return [...request].map(([topic, messages]) => ({ topic, messages }));
}

/** kafkajs is given a list where its types know of an object: our encoder takes both (kafka.records.ts). */
function encode(message: BusMessage): Message {
  const { key, value } = message;
  return { key, value, headers: headerListOf(message) as unknown as NonNullable<Message['headers']> };
}

/** Estimates the size of a record in bytes; strings are counted as if all were ASCII, which the bound leaves room for. */
function sizeOf({ key, value, headers }: Message): number {
  const list = headers as unknown as readonly BusHeader[];
  const ofHeaders = list.reduce((sum, header) => sum + header.name.length + (header.value?.length ?? 0), 0);
  return 32 + (key?.length ?? 0) + (value?.length ?? 0) + ofHeaders;
}

const TOO_LARGE = new Set(['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE']);

function rejectionOf(error: unknown): Error {
  const message = `Kafka did not take the records: ${error instanceof Error ? error.message : String(error)}`;
  const tooLarge = TOO_LARGE.has(protocolErrorOf(error) ?? '');
  return new (tooLarge ? RecordTooLargeError : BusUnavailableError)(message, { cause: error });
}
