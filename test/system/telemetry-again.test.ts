import { Kafka, logLevel, Partitioners, type Admin, type Producer } from 'kafkajs';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { createKafkaBus } from '#bus';
import { PRESENCE_GROUP, TELEMETRY_TOPIC } from '#contracts';
import { createDataSource, poolOf } from '#database';
import { readSettings, type RunningService } from '#runtime';
import { startPresence } from '../../apps/presence/src/start.js';
import { LocalKafka } from '../support/kafka.js';
import { eventually } from '../support/poll.js';
import { createTestDatabase } from '../support/postgres.js';
import { LOGIN_ITEM } from '../support/telemetry-item.js';

const HOUR = 3_600_000;
/** Brokers since 4.0 take no record that is more than an hour ahead, unless told to. */
const AHEAD = 0.8 * HOUR;
const logger = pino({ level: 'silent' });

/** The offsets are set back under a whole presence; its rules are `telemetry.consumer.test.ts`'s. */
describe.skipIf(inject('kafkaBrokers').length === 0)('telemetry that Kafka gives again', () => {
  let databaseUrl: string;
  let pool: ReturnType<typeof poolOf>;
  let brokers: string[];
  let admin: Admin;
  let producer: Producer;
  let presence: RunningService | undefined;
  const stops: (() => Promise<unknown>)[] = [];

  beforeAll(async () => {
    const kafka = await LocalKafka.start();
    stops.push(() => kafka.stop());
    brokers = kafka.brokers;
    const database = await createTestDatabase();
    stops.push(() => database.drop());
    databaseUrl = database.url;
    const dataSource = await createDataSource({ url: databaseUrl, applicationName: 'test', poolSize: 1 }).initialize();
    stops.push(() => dataSource.destroy());
    pool = poolOf(dataSource);
    const client = new Kafka({ clientId: 'test', brokers, logLevel: logLevel.NOTHING, retry: { retries: 20 } });
    admin = client.admin();
    producer = client.producer({ createPartitioner: Partitioners.DefaultPartitioner });
    await Promise.all([admin.connect(), producer.connect()]);
    stops.push(() => admin.disconnect());
    stops.push(() => producer.disconnect());
  }, 120_000);

  afterAll(async () => {
    await presence?.stop();
    for (let stop = stops.pop(); stop; stop = stops.pop()) await stop();
  });

  const start = async (): Promise<void> => {
    presence = await startPresence({
      settings: { ...readSettings({}), DATABASE_URL: databaseUrl, DATABASE_POOL: 5, HOST: '127.0.0.1', PRESENCE_PORT: 0 },
      bus: createKafkaBus({ brokers, clientId: 'presence', partitions: 2, logger }),
      logger,
    });
  };
  const stop = async (): Promise<void> => {
    await presence?.stop();
    presence = undefined;
  };
  /** @param clock how far the producer's clock is ahead, in milliseconds */
  const send = (agent_id: number, agent_status: string, clock = 0): Promise<unknown> =>
    producer.send({
      topic: TELEMETRY_TOPIC,
      messages: [
        {
          key: `12:${agent_id}`,
          value: JSON.stringify({ ...LOGIN_ITEM, agent_id, agent_status }),
          timestamp: String(Date.now() + clock),
        },
      ],
    });
  const sequenceOf = async (agentId: number): Promise<number | undefined> =>
    (await pool.query<{ sequence: number }>('select sequence from presence.agent where agent_id = $1', [agentId])).rows[0]
      ?.sequence;
  const reaches = (agentId: number, sequence: number): Promise<unknown> =>
    eventually(`sequence ${sequence} of agent ${agentId}`, async () => (await sequenceOf(agentId)) === sequence, 60_000);
  /** Another record of every partition, behind all that came again. */
  const allIsConsumed = async (): Promise<void> => {
    const lag = async (): Promise<number> => {
      const [group] = await admin.fetchOffsets({ groupId: PRESENCE_GROUP, topics: [TELEMETRY_TOPIC] });
      const committed = new Map(group!.partitions.map(({ partition, offset }) => [partition, Number(offset)]));
      return (await admin.fetchTopicOffsets(TELEMETRY_TOPIC)).reduce(
        (sum, { partition, high }) => sum + (Number(high) === 0 ? 0 : Number(high) - (committed.get(partition) ?? 0)),
        0,
      );
    };
    await eventually('everything to be consumed', async () => (await lag()) === 0, 60_000);
  };

  it('makes no change of what it has decided, after offsets were set back, or the group was lost', async () => {
    await start();
    for (const [agentId, clock] of [
      [1, 0],
      [2, AHEAD],
      [3, -3 * HOUR],
    ] as const) {
      await send(agentId, 'available', clock);
      await send(agentId, 'logged_out', clock);
    }
    for (const agentId of [1, 2, 3]) await reaches(agentId, 2);
    await allIsConsumed();
    await stop();
    await admin.resetOffsets({ groupId: PRESENCE_GROUP, topic: TELEMETRY_TOPIC, earliest: true });
    await start();
    await allIsConsumed();
    expect(await Promise.all([1, 2, 3].map(sequenceOf))).toEqual([2, 2, 2]);
    await stop();
    await admin.deleteGroups([PRESENCE_GROUP]);
    await send(4, 'available');
    await start();
    await reaches(4, 1);
    await allIsConsumed();
    expect(await Promise.all([1, 2, 3].map(sequenceOf))).toEqual([2, 2, 2]);
  }, 180_000);

  it('decides what comes in a topic that was made anew, whose offsets it has seen before', async () => {
    await stop();
    await admin.deleteTopics({ topics: [TELEMETRY_TOPIC] });
    await eventually('the topic gone', async () => !(await admin.listTopics()).includes(TELEMETRY_TOPIC));
    await start();
    for (const agentId of [1, 2, 3]) await send(agentId, 'available');
    for (const agentId of [1, 2, 3]) await reaches(agentId, 3);
  }, 120_000);
});
