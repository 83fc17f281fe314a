import { randomBytes } from 'node:crypto';
import kafkajs, { type Admin } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { STATUS_CHANGED_TOPIC, TELEMETRY_DEAD_LETTER_TOPIC, TELEMETRY_TOPIC, TOPICS } from '#contracts';
import { examine as examineAs, expectFinding, type Examination } from '../../../test/support/doctor.js';
import { LocalKafka } from '../../../test/support/kafka.js';
import type { Environment } from '../../../test/support/process.js';

const { AclOperationTypes, AclPermissionTypes, AclResourceTypes, Kafka, logLevel, ResourcePatternTypes } = kafkajs;
const LOGIN_MODULE = 'org.apache.kafka.common.security.plain.PlainLoginModule';
const ONE_PARTITION = { KAFKA_TOPIC_PARTITIONS: '1' };

/** Faults are planted on a real broker that asks its authorizer, each behind a prefix of its own. */
describe.skipIf(inject('kafkaBrokers').length === 0)('doctor, of Kafka', { timeout: 60_000 }, () => {
  let kafka: LocalKafka;
  let admin: Admin;

  beforeAll(async () => {
    kafka = await LocalKafka.start({
      listeners: {
        sasl: {
          protocol: 'SASL_PLAINTEXT',
          settings: {
            'sasl.enabled.mechanisms': 'PLAIN',
            'plain.sasl.jaas.config': `${LOGIN_MODULE} required user_alice="a" user_dora="d" user_carol="c";`,
          },
        },
      },
      settings: {
        'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
        'super.users': 'User:ANONYMOUS',
      },
    });
    admin = new Kafka({ brokers: kafka.brokers, logLevel: logLevel.NOTHING }).admin();
    await admin.connect();
  }, 180_000);

  afterAll(async () => {
    await admin.disconnect();
    await kafka.stop();
  });

  const examine = (env: Environment): Promise<Examination> =>
    examineAs({ DATA_DIR: '/nonexistent', KAFKA_BROKERS: kafka.brokers.join(), ...ONE_PARTITION, ...env });

  /** Has the services' topics made under a new prefix. @returns the prefix */
  async function makeTopics(configs: Readonly<Record<string, string>> = {}): Promise<string> {
    const prefix = `${randomBytes(4).toString('hex')}.`;
    const configEntries = Object.entries(configs).map(([name, value]) => ({ name, value }));
    const topics = TOPICS.map((topic) => ({ topic: `${prefix}${topic}`, numPartitions: 1, configEntries }));
    await admin.createTopics({ waitForLeaders: true, topics });
    return prefix;
  }

  /** Who comes by name and password. */
  const as = (user: string, password: string): Environment => ({
    KAFKA_BROKERS: kafka.brokersOf('sasl').join(),
    KAFKA_SASL_MECHANISM: 'plain',
    KAFKA_SASL_USERNAME: user,
    KAFKA_SASL_PASSWORD: password,
  });

  async function allow(user: string, resource: 'TOPIC' | 'GROUP', name: string, operation: 'READ' | 'WRITE'): Promise<void> {
    await admin.createAcls({
      acl: [
        {
          resourceType: AclResourceTypes[resource],
          resourceName: name,
          resourcePatternType: ResourcePatternTypes.LITERAL,
          principal: `User:${user}`,
          host: '*',
          operation: AclOperationTypes[operation],
          permissionType: AclPermissionTypes.ALLOW,
        },
      ],
    });
  }

  const kafkaFindings = ({ bad }: Examination): unknown[] => bad.filter(({ check }) => check.startsWith('kafka.'));

  it('finds nothing wrong with topics as the services make them, or before they do', async () => {
    const made = await examine({ KAFKA_PREFIX: await makeTopics() });
    expect(kafkaFindings(made)).toEqual([]);
    expect(made.findings).toContainEqual(
      expect.objectContaining({ check: 'kafka.rights', status: 'ok', found: 'this user may do all that the services do' }),
    );
    expect(kafkaFindings(await examine({ KAFKA_PREFIX: 'nowhere.' }))).toEqual([]);
  });

  it('writes nothing', async () => {
    const before = await admin.listTopics();
    await examine({ KAFKA_PREFIX: 'untouched.' });
    expect(await admin.listTopics()).toEqual(before);
    expect((await admin.listGroups()).groups.filter(({ groupId }) => groupId.startsWith('untouched.'))).toEqual([]);
  });

  it.each<[string, string, RegExp, Record<string, string>]>([
    ['keeps the last record of an agent alone', 'cleanup.policy', /^compact/, { 'cleanup.policy': 'compact,delete' }],
    ['forgets within the window', 'retention.ms', /^1 h, less than DELIVERY_WINDOW/, { 'retention.ms': '3600000' }],
    ['cannot be written', 'replication', /min\.insync\.replicas is 2 with 1 copies: nothing/, { 'min.insync.replicas': '2' }],
    [
      'may lose what it has acknowledged',
      'unclean.leader.election.enable',
      /^true: acknowledged/,
      { 'unclean.leader.election.enable': 'true' },
    ],
  ])('finds a topic that %s', async (_what, check, words, configs) => {
    const prefix = await makeTopics(configs);
    expectFinding(await examine({ KAFKA_PREFIX: prefix }), `kafka.${prefix}${STATUS_CHANGED_TOPIC}.${check}`, words);
  });

  it('says where the broker compresses anew', async () => {
    const prefix = await makeTopics({ 'compression.type': 'gzip' });
    const check = `kafka.${prefix}${TELEMETRY_TOPIC}.compression.type`;
    expect((await examine({ KAFKA_PREFIX: prefix })).findings).toContainEqual(
      expect.objectContaining({ check, found: expect.stringMatching(/^gzip/) as string }),
    );
  });

  it('finds more partitions than KAFKA_TOPIC_PARTITIONS says', async () => {
    const prefix = await makeTopics();
    const found = await examine({ KAFKA_PREFIX: prefix, KAFKA_TOPIC_PARTITIONS: '12' });
    expectFinding(found, `kafka.${prefix}${TELEMETRY_TOPIC}.partitions`, /^1, where KAFKA_TOPIC_PARTITIONS says 12/);
  });

  it('finds records that nobody consumes', async () => {
    const prefix = await makeTopics();
    const producer = new Kafka({ brokers: kafka.brokers, logLevel: logLevel.NOTHING }).producer();
    await producer.connect();
    await producer.send({ topic: `${prefix}${TELEMETRY_TOPIC}`, messages: [{ value: 'x' }, { value: 'y' }] });
    await producer.disconnect();
    expectFinding(await examine({ KAFKA_PREFIX: prefix }), `kafka.${prefix}rollcall.presence`, / 0 members, 2 records behind/);
  });

  it('waits for a cluster that never had a group, and finds one that cannot have any', async () => {
    const ownBroker = async (offsetsCopies: string): Promise<Examination> => {
      const own = await LocalKafka.start({ settings: { 'offsets.topic.replication.factor': offsetsCopies } });
      try {
        return await examine({ KAFKA_BROKERS: own.brokers.join(), KAFKA_PREFIX: 'new.' });
      } finally {
        await own.stop();
      }
    };
    expect(kafkaFindings(await ownBroker('1'))).toEqual([]);
    const words = /no broker coordinates the group new\.\S+; is offsets\.topic\.replication\.factor above/;
    expectFinding(await ownBroker('3'), 'kafka.reach', words);
  });

  it('finds a wrong password, a mechanism that is not on, and TLS where there is none', async () => {
    expectFinding(await examine(as('alice', 'wrong')), 'kafka.reach', /check KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD/);
    const scram = { ...as('alice', 'a'), KAFKA_SASL_MECHANISM: 'scram-sha-256' };
    expectFinding(await examine(scram), 'kafka.reach', /check KAFKA_SASL_MECHANISM/);
    expectFinding(await examine({ KAFKA_SSL: 'true' }), 'kafka.reach', /does not speak TLS/);
  });

  it('finds a user who may do nothing, and topics that he cannot make', async () => {
    const prefix = await makeTopics();
    const found = await examine({ ...as('alice', 'a'), KAFKA_PREFIX: prefix });
    expectFinding(
      found,
      'kafka.rights',
      /presence lacks READ on topic \S+telemetry\.v1, .* READ on group \S+; dispatcher lacks READ on topic/,
    );
    for (const topic of [TELEMETRY_TOPIC, STATUS_CHANGED_TOPIC]) await allow('alice', 'TOPIC', `${prefix}${topic}`, 'READ');
    await allow('alice', 'TOPIC', `${prefix}new.${TELEMETRY_TOPIC}`, 'READ');
    expectFinding(
      await examine({ ...as('alice', 'a'), KAFKA_PREFIX: `${prefix}new.` }),
      'kafka.topics',
      /telemetry\.v1: missing, and this user cannot make them \(TOPIC_AUTHORIZATION_FAILED\)/,
    );
  });

  it('takes a user of one service, who may not see how topics are set', async () => {
    const prefix = await makeTopics();
    await allow('dora', 'TOPIC', `${prefix}${STATUS_CHANGED_TOPIC}`, 'READ');
    await allow('dora', 'GROUP', `${prefix}rollcall.dispatcher`, 'READ');
    const found = await examine({ ...as('dora', 'd'), KAFKA_PREFIX: prefix });
    expect(kafkaFindings(found)).toEqual([]);
    expect(found.findings).toContainEqual(
      expect.objectContaining({
        check: 'kafka.rights',
        found: expect.stringMatching(/may do all that dispatcher does; presence lacks/) as string,
      }),
    );
  });

  it('finds the one right that a service lacks', async () => {
    const prefix = await makeTopics();
    await allow('carol', 'TOPIC', `${prefix}${TELEMETRY_TOPIC}`, 'READ');
    await allow('carol', 'TOPIC', `${prefix}${STATUS_CHANGED_TOPIC}`, 'WRITE');
    await allow('carol', 'GROUP', `${prefix}rollcall.presence`, 'READ');
    const words = new RegExp(`presence lacks WRITE on topic \\S+${TELEMETRY_DEAD_LETTER_TOPIC.replaceAll('.', '\\.')};`);
    expectFinding(await examine({ ...as('carol', 'c'), KAFKA_PREFIX: prefix }), 'kafka.rights', words);
  });
});
