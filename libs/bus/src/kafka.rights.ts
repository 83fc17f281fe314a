import kafkajs, { type Kafka } from 'kafkajs';
import { retry, type Backoff } from '#runtime';
import { readTopicMetadata } from './kafka.metadata.js';
import { ask, readArray, withCluster, type Broker, type Cluster, type Decoder } from './kafka.protocol.js';

const { KafkaJSGroupCoordinatorNotFound } = kafkajs;

/** In the first flexible version; kafkajs 2.2.4 ends at 2 and asks for no rights. */
const DESCRIBE_GROUPS = { apiKey: 15, apiVersion: 5, apiName: 'DescribeGroups' };
/** The bits of Kafka's operations that a service does. */
const OPERATION_BITS = { read: 3, write: 4 } as const;
const COORDINATOR_ERRORS: ReadonlySet<number> = new Set([14, 15, 16]); // it loads, is not there, is another broker
/** A cluster that never had a group makes the topic of its coordinators when it is first asked for one. */
const COORDINATOR_TIMEOUT_MS = 10_000;
const COORDINATOR_BACKOFF: Backoff = { firstMs: 50, maxMs: 500 };
const TOPIC_AUTHORIZATION_FAILED = 29;
const GROUP_AUTHORIZATION_FAILED = 30;

export type KafkaOperation = keyof typeof OPERATION_BITS;

/** What the user that we connect as may do, by the names that the brokers know; what is not there, or cannot be told, is left out. */
export interface KafkaRights {
  readonly topics: Readonly<Record<string, readonly KafkaOperation[]>>;
  readonly groups: Readonly<Record<string, readonly KafkaOperation[]>>;
  /** Topics of which this user may not even know whether they are there. */
  readonly hiddenTopics: readonly string[];
}

/**
 * Reads what we may do with topics and groups, as the brokers' own authorizer answers: nothing is tried.
 *
 * @returns undefined where the brokers are too old to tell
 * @throws where no broker can be reached
 */
export async function readRights(
  kafka: Kafka,
  topicNames: readonly string[],
  groupIds: readonly string[],
): Promise<KafkaRights | undefined> {
  const metadata = await readTopicMetadata(kafka, topicNames);
  if (!metadata) return undefined;
  const topics: Record<string, KafkaOperation[]> = {};
  const hiddenTopics: string[] = [];
  for (const { name, errorCode, operations } of metadata) {
    if (errorCode === 0) topics[name] = operationsIn(operations);
    else if (errorCode === TOPIC_AUTHORIZATION_FAILED) hiddenTopics.push(name);
  }
  const groups: Record<string, KafkaOperation[]> = {};
  for (const id of groupIds) {
    const operations = await readGroupRights(kafka, id);
    if (operations) groups[id] = operations;
  }
  return { topics, groups, hiddenTopics };
}

/** @returns undefined where the group's coordinator cannot tell now. @throws where there is none, also after a while */
function readGroupRights(kafka: Kafka, groupId: string): Promise<KafkaOperation[] | undefined> {
  return withCluster(kafka, async (cluster) => {
    // Any broker says that we may not even ask; kafkajs hides this where it looks for the coordinator.
    let group = await askGroup(await cluster.findControllerBroker(), groupId);
    if (group && COORDINATOR_ERRORS.has(group.errorCode)) group = await askCoordinator(cluster, groupId);
    if (group?.errorCode === GROUP_AUTHORIZATION_FAILED) return [];
    return group?.errorCode === 0 ? operationsIn(group.operations) : undefined;
  });
}

/** Whoever was asked does not coordinate the group, or not yet. */
class CoordinatorError extends Error {}

function askCoordinator(cluster: Cluster, groupId: string): Promise<GroupAnswer | undefined> {
  const giveUpAt = performance.now() + COORDINATOR_TIMEOUT_MS;
  const work = async (): Promise<GroupAnswer | undefined> => {
    const group = await askGroup(await cluster.findGroupCoordinator({ groupId }), groupId);
    if (group && COORDINATOR_ERRORS.has(group.errorCode))
      throw new CoordinatorError(`DescribeGroups failed with ${group.errorCode}`);
    return group;
  };
  return retry(work, {
    backoff: COORDINATOR_BACKOFF,
    onFailure: (cause) => {
      if (performance.now() < giveUpAt) return;
      if (!(cause instanceof CoordinatorError || cause instanceof KafkaJSGroupCoordinatorNotFound)) throw cause;
      const found = `no broker coordinates the group ${groupId}; is offsets.topic.replication.factor above the number of brokers?`;
      throw new Error(found, { cause });
    },
  });
}

interface GroupAnswer {
  readonly errorCode: number;
  /** A bit for each operation; of no meaning with an error. */
  readonly operations: number;
}

function askGroup(broker: Broker, groupId: string): Promise<GroupAnswer | undefined> {
  return ask(
    broker,
    DESCRIBE_GROUPS,
    (encoder) => void encoder.writeUVarInt(2).writeUVarIntString(groupId).writeInt8(1).writeInt8(0),
    readGroup,
  );
}

/** Reads the answer up to the rights of its only group. */
function readGroup(decoder: Decoder): GroupAnswer {
  decoder.readInt32(); // throttled for
  decoder.readUVarInt(); // groups
  const errorCode = decoder.readInt16();
  for (let text = 0; text < 4; text++) decoder.readUVarIntString(); // id, state, protocol's type and name
  readArray(decoder, () => {
    for (let text = 0; text < 4; text++) decoder.readUVarIntString(); // ids and host
    for (let bytes = 0; bytes < 2; bytes++) decoder.readBytes(decoder.readUVarInt() - 1);
    decoder.readTaggedFields();
  });
  return { errorCode, operations: decoder.readInt32() };
}

function operationsIn(bits: number): KafkaOperation[] {
  return (Object.keys(OPERATION_BITS) as KafkaOperation[]).filter((name) => (bits & (1 << OPERATION_BITS[name])) !== 0);
}
