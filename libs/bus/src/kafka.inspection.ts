import type { Admin } from 'kafkajs';
import kafkajs from 'kafkajs';
import { createClient, protocolErrorOf, type KafkaBusOptions } from './kafka.client.js';
import { readLag } from './kafka.lag.js';

const { ConfigResourceTypes } = kafkajs;

/** A topic as the brokers have it. */
export interface InspectedTopic {
  readonly name: string;
  readonly partitions: number;
  /** Copies of its partition that has the fewest. */
  readonly replicas: number;
  /** Partitions that have no leader now. */
  readonly leaderless: number;
  /** As the brokers show them, such as `min.insync.replicas`. */
  readonly configs: Readonly<Record<string, string>>;
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
  /** Why this user could not make a topic; undefined: it may. Asked as a dry run. */
  readonly creationRefused: string | undefined;
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
  const admin = createClient(options, { retry: { retries: 1 } }).admin();
  await admin.connect();
  try {
    const { brokers } = await admin.describeCluster();
    const existing = new Set(await admin.listTopics());
    const named = (name: string): string => `${prefix}${name}`; // as the brokers know it
    const present = topics.map(named).filter((topic) => existing.has(topic));
    const consuming = groups.map(({ id, topic }) => ({ id: named(id), topic: named(topic) }));
    return {
      brokers: brokers.length,
      topics: await inspectTopics(admin, present),
      missingTopics: topics.map(named).filter((topic) => !existing.has(topic)),
      groups: await Promise.all(consuming.filter(({ topic }) => existing.has(topic)).map((group) => inspectGroup(admin, group))),
      creationRefused: await creationRefusal(admin),
    };
  } finally {
    await admin.disconnect();
  }
}

async function inspectTopics(admin: Admin, names: readonly string[]): Promise<InspectedTopic[]> {
  if (names.length === 0) return [];
  const { topics } = await admin.fetchTopicMetadata({ topics: [...names] });
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: names.map((name) => ({ type: ConfigResourceTypes.TOPIC, name })),
  });
  const configsOf = (name: string): Record<string, string> =>
    Object.fromEntries(
      (resources.find(({ resourceName }) => resourceName === name)?.configEntries ?? []).map(({ configName, configValue }) => [
        configName,
        configValue,
      ]),
    );
  return topics.map(({ name, partitions }) => ({
    name,
    partitions: partitions.length,
    replicas: Math.min(...partitions.map(({ replicas }) => replicas.length)),
    leaderless: partitions.filter(({ leader }) => leader < 0).length,
    configs: configsOf(name),
  }));
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

async function creationRefusal(admin: Admin): Promise<string | undefined> {
  try {
    await admin.createTopics({
      validateOnly: true,
      waitForLeaders: false,
      topics: [{ topic: 'rollcall.doctor', numPartitions: 1 }],
    });
    return undefined;
  } catch (error) {
    return protocolErrorOf(error) ?? (error as Error).message;
  }
}
