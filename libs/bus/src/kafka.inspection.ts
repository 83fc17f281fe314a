import type { Admin } from 'kafkajs';
import kafkajs from 'kafkajs';
import { createClient, protocolErrorOf, type KafkaBusOptions } from './kafka.client.js';
import { readLag } from './kafka.lag.js';
import { readRights, type KafkaRights } from './kafka.rights.js';

const { ConfigResourceTypes } = kafkajs;

/** A topic as the brokers have it. */
export interface InspectedTopic {
  readonly name: string;
  readonly partitions: number;
  /** Copies of its partition that has the fewest. */
  readonly replicas: number;
  /** Partitions that have no leader now. */
  readonly leaderless: number;
  /** As the brokers show them, such as `min.insync.replicas`; undefined: this user may not see them. */
  readonly configs: Readonly<Record<string, string>> | undefined;
}

/** A consumer group as the brokers have it. */
export interface InspectedGroup {
  readonly id: string;
  /** `Stable`, `Empty`, `Dead`, … */
  readonly state: string;
  readonly members: number;
  /** Records between what it has committed and the ends of its topics. */
  readonly lag: number;
}

/** What can be seen of a Kafka cluster without writing to it. */
export interface KafkaInspection {
  readonly brokers: number;
  readonly topics: readonly InspectedTopic[];
  readonly missingTopics: readonly string[];
  readonly groups: readonly InspectedGroup[];
  /** Why this user could not make the topics that are missing; undefined: it may, or none is. Asked as a dry run. */
  readonly creationRefused: string | undefined;
  /** What this user may do with topics and groups; undefined: the brokers are too old to tell. */
  readonly rights: KafkaRights | undefined;
}

/**
 * Looks at a Kafka cluster without writing to it: topics, their settings, the groups that consume them, by the names that the
 * brokers know them by (KAFKA_PREFIX).
 *
 * @param groups by id, each with the topic that it consumes
 * @throws the reason, when the brokers cannot be reached or refuse to tell
 */
export async function inspectKafka(
  options: KafkaBusOptions,
  topics: readonly string[],
  groups: readonly { readonly id: string; readonly topic: string }[],
): Promise<KafkaInspection> {
  const { prefix = '' } = options;
  const kafka = createClient(options, { retry: { retries: 1 } });
  const admin = kafka.admin();
  await admin.connect();
  try {
    const { brokers } = await admin.describeCluster();
    const existing = new Set(await admin.listTopics());
    const named = (name: string): string => `${prefix}${name}`; // as the brokers know it
    const present = topics.map(named).filter((topic) => existing.has(topic));
    const consuming = groups.map(({ id, topic }) => ({ id: named(id), topic: named(topic) }));
    const groupIds = consuming.map(({ id }) => id);
    const rights = await readRights(kafka, topics.map(named), groupIds);
    const hidden = new Set(rights?.hiddenTopics);
    const missingTopics = topics.map(named).filter((topic) => !existing.has(topic) && !hidden.has(topic));
    const visible = consuming.filter(({ id, topic }) => existing.has(topic) && (rights?.groups[id]?.includes('read') ?? true));
    return {
      brokers: brokers.length,
      topics: await inspectTopics(admin, present),
      missingTopics,
      groups: await Promise.all(visible.map((group) => inspectGroup(admin, group))),
      creationRefused: await creationRefusal(admin, missingTopics),
      rights,
    };
  } finally {
    await admin.disconnect();
  }
}

async function inspectTopics(admin: Admin, names: readonly string[]): Promise<InspectedTopic[]> {
  if (names.length === 0) return [];
  const { topics } = await admin.fetchTopicMetadata({ topics: [...names] });
  const configs = await readConfigs(admin, names);
  return topics.map(({ name, partitions }) => ({
    name,
    partitions: partitions.length,
    replicas: Math.min(...partitions.map(({ replicas }) => replicas.length)),
    leaderless: partitions.filter(({ leader }) => leader < 0).length,
    configs: configs?.get(name),
  }));
}

/** The settings of topics; undefined where this user may not see those of one of them. */
async function readConfigs(admin: Admin, names: readonly string[]): Promise<Map<string, Record<string, string>> | undefined> {
  try {
    const resources = names.map((name) => ({ type: ConfigResourceTypes.TOPIC, name }));
    const described = await admin.describeConfigs({ includeSynonyms: false, resources });
    return new Map(
      described.resources.map(({ resourceName, configEntries }) => [
        resourceName,
        Object.fromEntries(configEntries.map(({ configName, configValue }) => [configName, configValue])),
      ]),
    );
  } catch (error) {
    if (protocolErrorOf(error) === 'TOPIC_AUTHORIZATION_FAILED') return undefined;
    throw error;
  }
}

async function inspectGroup(
  admin: Admin,
  { id, topic }: { readonly id: string; readonly topic: string },
): Promise<InspectedGroup> {
  const { groups } = await admin.describeGroups([id]);
  const lag = (await readLag(admin, id, topic)).reduce((sum, { records }) => sum + records, 0);
  const group = groups[0];
  return { id, state: group?.state ?? 'Dead', members: group?.members.length ?? 0, lag };
}

async function creationRefusal(admin: Admin, missing: readonly string[]): Promise<string | undefined> {
  if (missing.length === 0) return undefined;
  try {
    const topics = missing.map((topic) => ({ topic, numPartitions: 1 }));
    await admin.createTopics({ validateOnly: true, waitForLeaders: false, topics });
    return undefined;
  } catch (error) {
    return refusalOf(error);
  }
}

/** kafkajs wraps what the brokers answer for each topic. */
function refusalOf(error: unknown): string {
  const [first] = (error as { readonly errors?: readonly unknown[] }).errors ?? [];
  return protocolErrorOf(error) ?? protocolErrorOf(first) ?? (error as Error).message;
}
