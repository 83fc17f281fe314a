import type { InspectedTopic, KafkaInspection, KafkaOperation } from '#bus';
import { error, ok, warning, type Finding } from './finding.js';

/** What a service does at the brokers, by the names that they know. */
export interface KafkaNeeds {
  readonly service: string;
  readonly topics: Readonly<Record<string, KafkaOperation>>;
  /** The group that it consumes in. */
  readonly group: string;
}

export interface KafkaUse {
  readonly needs: readonly KafkaNeeds[];
  /** KAFKA_TOPIC_PARTITIONS. */
  readonly partitions: number;
  /** DELIVERY_WINDOW, in milliseconds: records have to be there for at least as long. */
  readonly windowMs: number;
  readonly isEncrypted: boolean;
  readonly isLocal: boolean;
}

const MANY_RECORDS = 100_000;

/** Judges a Kafka cluster by what was seen of it. Pure. */
export function judgeKafka(seen: KafkaInspection, use: KafkaUse): Finding[] {
  return [
    ok('kafka.reach', `${seen.brokers} brokers`),
    tls(use),
    rights(seen, use),
    topicsThere(seen),
    ...seen.topics.flatMap((topic) => judgeTopic(topic, seen.brokers, use)),
    ...seen.groups.map(({ id, state, members, lag }) => judgeGroup(id, state, members, lag)),
  ];
}

function tls({ isEncrypted, isLocal }: KafkaUse): Finding {
  if (isEncrypted) return ok('kafka.tls', 'connections are encrypted');
  if (isLocal) return ok('kafka.tls', 'connections are not encrypted, and stay on this machine');
  return warning('kafka.tls', 'connections are not encrypted', 'set KAFKA_SSL=true, and KAFKA_SSL_CA for a CA of your own');
}

/** One user for all services, or one for each: what one of them needs is enough. */
function rights({ rights }: KafkaInspection, { needs }: KafkaUse): Finding {
  const check = 'kafka.rights';
  if (!rights) return ok(check, 'the brokers are too old to tell them');
  const lacks = needs.map(({ service, topics, group }) => {
    const forTopics = Object.entries(topics)
      .filter(([topic, operation]) => rights.hiddenTopics.includes(topic) || rights.topics[topic]?.includes(operation) === false)
      .map(([topic, operation]) => `${operation.toUpperCase()} on topic ${topic}`);
    const forGroup = rights.groups[group]?.includes('read') === false ? [`READ on group ${group}`] : [];
    return { service, lacking: [...forTopics, ...forGroup] };
  });
  const unable = lacks.filter(({ lacking }) => lacking.length > 0);
  const able = lacks.filter(({ lacking }) => lacking.length === 0).map(({ service }) => service);
  const found = unable.map(({ service, lacking }) => `${service} lacks ${lacking.join(', ')}`).join('; ');
  if (unable.length === 0) return ok(check, 'this user may do all that the services do');
  if (able.length > 0) return ok(check, `this user may do all that ${able.join(', ')} does; ${found}`);
  return error(
    check,
    found,
    'grant it to the user of KAFKA_SASL_USERNAME or KAFKA_SSL_CERT; a prefixed ACL on KAFKA_PREFIX does',
  );
}

function topicsThere({ missingTopics, creationRefused }: KafkaInspection): Finding {
  if (missingTopics.length === 0) return ok('kafka.topics', 'all are there');
  const found = `${missingTopics.join(', ')}: missing`;
  if (creationRefused === undefined) return ok('kafka.topics', `${found}; the services make them when they start`);
  return error(
    'kafka.topics',
    `${found}, and this user cannot make them (${creationRefused})`,
    'make them, or allow the user to',
  );
}

function judgeTopic(topic: InspectedTopic, brokers: number, { partitions, windowMs }: KafkaUse): Finding[] {
  const check = (what: string): string => `kafka.${topic.name}.${what}`;
  const findings: Finding[] = [];
  if (topic.leaderless > 0)
    findings.push(
      error(
        check('leader'),
        `${topic.leaderless} partitions have no leader: nothing gets in or out`,
        'bring the brokers back that have their copies',
      ),
    );
  if (!topic.name.endsWith('.dlq') && topic.partitions !== partitions)
    findings.push(
      warning(
        check('partitions'),
        `${topic.partitions}, where KAFKA_TOPIC_PARTITIONS says ${partitions}`,
        'set KAFKA_TOPIC_PARTITIONS to what is there; a multiple is raised to without a wait: docs/scaling.md',
      ),
    );
  if (!topic.configs)
    return [...findings, ok(check('settings'), 'this user may not see them; grant DESCRIBE_CONFIGS to have them looked at')];
  const inSync = Number(topic.configs['min.insync.replicas'] ?? 1);
  findings.push(replication(check('replication'), topic.replicas, inSync, brokers));
  if (/compact/.test(topic.configs['cleanup.policy'] ?? 'delete'))
    findings.push(
      error(check('cleanup.policy'), 'compact: only the last record of an agent is kept', 'set cleanup.policy=delete'),
    );
  const retentionMs = Number(topic.configs['retention.ms'] ?? -1);
  if (retentionMs >= 0 && retentionMs < windowMs)
    findings.push(
      warning(
        check('retention.ms'),
        `${retentionMs / 3_600_000} h, less than DELIVERY_WINDOW: what waits through an outage is deleted (and taken from the log)`,
        'raise retention.ms to a day at least, better a week',
      ),
    );
  if (topic.configs['unclean.leader.election.enable'] === 'true')
    findings.push(error(check('unclean.leader.election.enable'), 'true: acknowledged records can be lost', 'set it to false'));
  if (!['producer', undefined].includes(topic.configs['compression.type']))
    findings.push(
      ok(check('compression.type'), `${topic.configs['compression.type']}: the broker compresses anew, at its own cost`),
    );
  return findings;
}

function replication(check: string, replicas: number, inSync: number, brokers: number): Finding {
  if (inSync > replicas)
    return error(
      check,
      `min.insync.replicas is ${inSync} with ${replicas} copies: nothing can be written`,
      'lower it, or add copies',
    );
  if (replicas === 1 && brokers > 1)
    return error(
      check,
      `one copy on ${brokers} brokers: a broker that is lost takes records with it`,
      'raise the replication factor to 3',
    );
  if (replicas > 2 && inSync < 2)
    return warning(
      check,
      `min.insync.replicas is ${inSync} with ${replicas} copies: one broker alone may acknowledge`,
      'set min.insync.replicas=2',
    );
  if (replicas > 1 && inSync === replicas)
    return warning(
      check,
      `min.insync.replicas is ${inSync} with ${replicas} copies: one broker away stops all writing`,
      'lower it by one',
    );
  return ok(check, `${replicas} copies, of which ${inSync} acknowledge`);
}

function judgeGroup(id: string, state: string, members: number, lag: number): Finding {
  const found = `${state}, ${members} members, ${lag} records behind`;
  if (members === 0 && lag > 0) return error(`kafka.${id}`, found, 'start the service that consumes it: its records wait');
  if (lag > MANY_RECORDS)
    return warning(`kafka.${id}`, found, 'add instances up to the number of partitions, or wait if it is falling');
  return ok(`kafka.${id}`, found);
}
