import kafkajs, { type Consumer, type EachBatchPayload, type IMemberAssignment, type Kafka } from 'kafkajs';
import { deferred, Loop, settledWithin, StartError, within, type Backoff, type Logger } from '#runtime';
import type { BusMetrics } from './bus-metrics.js';
import type { BusAssignmentOptions, BusPartitions } from './bus.js';
import { ABORT_GRACE_MS, BusServer, STOP_GRACE_MS } from './bus-server.js';
import { shardAssigner } from './kafka.assigner.js';
import { Assignment } from './kafka.assignment.js';
import { explainKafkaError } from './kafka-error.js';
import { protocolErrorOf } from './kafka.client.js';
import { ConsumerLag } from './kafka.lag.js';
import { assignmentOf, withMembership, type JoinedGroup, type Membership } from './kafka.membership.js';

/** Node finds the names of what kafkajs exports by reading it, and so not all of them. */
const { PartitionAssigners } = kafkajs;

/** Between attempts to be a member of the group. */
const REJOIN_BACKOFF: Backoff = { firstMs: 200, maxMs: 5000 };
const DISCONNECT_TIMEOUT_MS = 4000;

/** A killed member's partitions go to the others after this, in milliseconds. */
const SESSION_TIMEOUT_MS = 8000;
/** A member hears of it with its next heartbeat that others come or go: until then they wait for it. */
const HEARTBEAT_INTERVAL_MS = 100;
const REBALANCE_TIMEOUT_MS = 30_000;
/** Longest that a fetch stays open when there is nothing; records end it at once. Stopping and heartbeats wait for it. */
const MAX_FETCH_WAIT_MS = 100;
/** A fetch is decoded whole before the handlers see it, to many times its size: a backlog must not fill the memory. */
const MAX_PARTITION_BYTES = 256 * 1024;
const MAX_FETCH_BYTES = 2 * 1024 * 1024;
const PARTITIONS_AT_ONCE = 64;

/** A membership that has lasted this long, in milliseconds, is no longer said to be in trouble. */
const SOUND_AFTER_MS = 5000;

/** Longest that the others wait for what a member is at when it has to give its partitions up, in milliseconds. */
const DRAIN_MS = 2000;
/** Less than {@link REBALANCE_TIMEOUT_MS}, after which the group goes on without the member. */
const MAX_DRAIN_MS = 20_000;

/**
 * Transport for `@EventPattern` handlers of batches: a member of a Kafka consumer group. What is fetched waits for its handler in the queue of its
 * partition, so kafkajs goes on fetching and heartbeating, however long a handler takes. Offsets are committed soon after the
 * handler resolved, and only while the assignment stands under which the records were fetched. Before it ends, because members come
 * or go, what the handlers are at is finished and committed. Whatever ends the membership, another begins.
 */
export class KafkaConsumer extends BusServer {
  /** Handlers of ended assignments that are still running, by partition: no other is called beside them. */
  private readonly unsettled = new Map<string, Promise<void>>();
  private readonly stopping = new AbortController();
  private readonly leaving = deferred();
  private assignment: Assignment | undefined;
  /** Partitions of the assignment, by the topics' names on the broker. */
  private assigned: BusPartitions = new Map();
  private readonly lag: ConsumerLag | undefined;
  /** One membership after another. */
  private membership: Loop | undefined;
  private closed: Promise<void> | undefined;
  /** Why the last membership was lost; unset once one has lasted. */
  private lastLoss: string | undefined;
  private lossesAlike = 0;

  constructor(private readonly options: KafkaConsumerOptions) {
    super(options.groupId, options.logger);
    const { kafka, groupId, metrics, logger } = options;
    this.lag = metrics && new ConsumerLag({ kafka, groupId, metrics, logger, assigned: () => this.assigned });
  }

  /** Says why the membership was lost, if it was at least twice in a row. For readiness. */
  get trouble(): string | undefined {
    if (this.lossesAlike < 2) return undefined;
    return `consumer group ${this.groupId} lost its place ${this.lossesAlike} times in a row: ${this.lastLoss}`;
  }

  listen(callback: (error?: unknown) => void): void {
    try {
      const topics = this.topics().map((topic) => `${this.options.prefix}${topic}`);
      if (this.membership) throw new StartError(`consumer group ${this.groupId} is already running`);
      this.membership = new Loop({
        step: (succeeded) => this.beMember(topics, succeeded),
        onError: (error, attempt) => this.noteLoss(error, topics, attempt),
        backoff: REJOIN_BACKOFF,
      });
      this.membership.start();
      this.lag?.start();
    } catch (error) {
      callback(error);
      return;
    }
    callback();
  }

  /** Finishes the handlers' current batches (bounded), commits them and leaves the group. */
  close(): Promise<void> {
    this.closed ??= this.finish();
    return this.closed;
  }

  private async finish(): Promise<void> {
    this.stopping.abort();
    const left = this.membership?.stop();
    await this.assignment?.end(STOP_GRACE_MS);
    await settledWithin(ABORT_GRACE_MS, [...this.unsettled.values()]);
    this.leaving.resolve();
    await Promise.all([left, this.lag?.stop()]);
  }

  private noteLoss(error: unknown, topics: readonly string[], attempt: number): void {
    this.options.logger.warn({ err: error, group_id: this.groupId, topics, attempt }, 'bus.membership_lost');
    const reason = explainKafkaError(error);
    this.lossesAlike = reason === this.lastLoss ? this.lossesAlike + 1 : 1;
    this.lastLoss = reason;
    this.options.metrics?.countLoss(this.groupId);
    if (protocolErrorOf(error) === 'UNKNOWN_TOPIC_OR_PARTITION') this.options.onTopicMissing();
  }

  /**
   * @param succeeded called when it has lasted for a while
   * @returns once {@link finish} has everything done: no other begins
   * @throws what ended the membership
   */
  private async beMember(topics: readonly string[], succeeded: () => void): Promise<number> {
    const lost = deferred<never>();
    let group: JoinedGroup | undefined;
    let over = false;
    const membership: Membership<Assignment> = {
      beforeJoin: (joined) => {
        group = joined;
        return this.endAssignment();
      },
      isOver: () => over,
      assignment: () => this.assignment,
    };
    const consumer = this.newConsumer(membership);
    let sound: NodeJS.Timeout | undefined;
    consumer.on('consumer.crash', ({ payload }) => lost.reject(payload.error));
    consumer.on('consumer.group_join', ({ payload }) => {
      // A start that was under way while we left: kafkajs knows no way to call it off, and would stay a member.
      if (over) return void disconnect(consumer);
      sound ??= setTimeout(() => {
        this.noteSoundness();
        succeeded();
      }, SOUND_AFTER_MS);
      this.options.logger.info({ group_id: this.groupId, assignment: payload.memberAssignment }, 'bus.joined');
      if (!this.stopping.signal.aborted) this.assignment = this.newAssignment(payload.memberAssignment, lost.reject);
    });
    try {
      await Promise.race([lost.promise, this.consume(consumer, topics), this.leaving.promise]);
    } finally {
      over = true;
      clearTimeout(sound);
      await this.endAssignment();
      await this.leave(group);
      await disconnect(consumer);
    }
    return Infinity;
  }

  private newConsumer(membership: Membership<Assignment>): Consumer {
    const { kafka, prefix, assignment } = this.options;
    return kafka.consumer({
      groupId: this.groupId,
      // In the order of preference: members of the last release know the second one alone.
      partitionAssigners: [
        withMembership(
          shardAssigner((topic) => assignment.shards?.(topic.slice(prefix.length))),
          membership,
        ),
        PartitionAssigners.roundRobin,
      ],
      sessionTimeout: SESSION_TIMEOUT_MS,
      heartbeatInterval: HEARTBEAT_INTERVAL_MS,
      rebalanceTimeout: REBALANCE_TIMEOUT_MS,
      maxWaitTimeInMs: MAX_FETCH_WAIT_MS,
      minBytes: 1,
      maxBytesPerPartition: MAX_PARTITION_BYTES,
      maxBytes: MAX_FETCH_BYTES,
      allowAutoTopicCreation: false,
      metadataMaxAge: 60_000,
    });
  }

  private newAssignment(assigned: IMemberAssignment, onLoss: (error: unknown) => void): Assignment {
    const { assignment: hooks, ...options } = this.options;
    const { length } = this.options.prefix;
    this.assigned = new Map(Object.entries(assigned));
    const partitions: BusPartitions = new Map(
      Object.entries(assigned).map(([topic, numbers]) => [topic.slice(length), numbers]), // as handlers know them
    );
    return new Assignment(partitions, {
      ...options,
      hooks,
      unsettled: this.unsettled,
      deliver: (topic, batch, stopping, onFailure) => this.deliver(topic, batch, stopping, onFailure),
      onTopicMissing: onLoss, // and begins anew with the next membership
    });
  }

  private async endAssignment(): Promise<void> {
    await this.assignment?.end(Math.min(this.options.assignment.drainMs ?? DRAIN_MS, MAX_DRAIN_MS));
    this.assignment = undefined;
    this.assigned = new Map();
  }

  private async leave(group: JoinedGroup | undefined): Promise<void> {
    try {
      if (group) await within(DISCONNECT_TIMEOUT_MS, group.leave(), () => undefined);
    } catch (error) {
      this.options.logger.info({ err: error, group_id: this.groupId }, 'bus.leave_failed'); // the session ends by itself
    }
  }

  private noteSoundness(): void {
    this.lossesAlike = 0;
    this.lastLoss = undefined;
  }

  private async consume(consumer: Consumer, topics: readonly string[]): Promise<never> {
    await consumer.connect();
    await consumer.subscribe({ topics: [...topics], fromBeginning: true });
    await consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      partitionsConsumedConcurrently: PARTITIONS_AT_ONCE,
      eachBatch: (payload) => Promise.resolve(this.take(payload)),
    });
    return new Promise(() => undefined); // runs until it crashes
  }

  private take(payload: EachBatchPayload): void {
    const assignment = assignmentOf(payload.batch);
    if (assignment instanceof Assignment) assignment.take(payload);
    else payload.pause(); // none is to begin any more
  }
}

export interface KafkaConsumerOptions {
  readonly kafka: Kafka;
  /** Prefix of topic names on the broker. */
  readonly prefix: string;
  /** With the prefix. */
  readonly groupId: string;
  readonly maxBatchRecords: number;
  readonly maxHeldRecords: number;
  readonly assignment: BusAssignmentOptions;
  readonly logger: Logger;
  readonly metrics: BusMetrics | undefined;
  /** Called when the broker does not know a topic that is to be consumed. */
  readonly onTopicMissing: () => void;
}

async function disconnect(consumer: Consumer): Promise<void> {
  await settledWithin(DISCONNECT_TIMEOUT_MS, [consumer.disconnect()]);
}
