import pg from 'pg';
import { pino } from 'pino';
import { Kafka, logLevel } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createKafkaBus, type Bus, type BusProducer } from '#bus';
import {
  DISPATCHER_GROUP,
  ERROR_HEADER,
  partitionKey,
  PRESENCE_GROUP,
  STATUS_CHANGED_TOPIC,
  TELEMETRY_DEAD_LETTER_TOPIC,
  TELEMETRY_TOPIC,
} from '#contracts';
import { createSealer } from '#database';
import { readSettings, type RunningService } from '#runtime';
import { generateSecret } from '#webhook';
import { startDispatcher } from '../../apps/dispatcher/src/start.js';
import { startPresence } from '../../apps/presence/src/start.js';
import { produceWithJava } from '../support/java-producer.js';
import { LocalKafka } from '../support/kafka.js';
import { KafkaTap } from '../support/kafka-tap.js';
import { eventually } from '../support/poll.js';
import { createTestDatabase, type TestDatabase } from '../support/postgres.js';
import { RecordingReceiver } from '../support/receiver.js';

const CLIENT = 12;
const WAIT_MS = 60_000;

interface Ready {
  readonly code: number;
  readonly body: { status: string; checks: Record<string, string>; reasons?: Record<string, string> };
}

// The services' topics and groups have fixed names, so this suite has a broker of its own.
describe.skipIf((await LocalKafka.missing()) !== undefined)('the services and a troubled Kafka', { timeout: 180_000 }, () => {
  const logger = pino({ level: process.env['TEST_LOG_LEVEL'] ?? 'silent' });
  let kafka: LocalKafka;
  let database: TestDatabase;
  let pool: pg.Pool;
  let receiver: RecordingReceiver;
  let tap: KafkaTap;
  let reader: Bus;
  let producer: BusProducer;
  let presence: RunningService;
  let dispatcher: RunningService;
  let nextAgent = 1;

  beforeAll(async () => {
    kafka = await LocalKafka.start();
    database = await createTestDatabase();
    pool = new pg.Pool({ connectionString: database.url, max: 2 }).on('error', () => undefined);
    receiver = await RecordingReceiver.start();
    tap = new KafkaTap(kafka.brokers);
    const settings = {
      ...readSettings({ PRESENCE_PORT: '0', DISPATCHER_PORT: '0', ALLOW_DESTINATIONS: '127.0.0.1' }),
      DATABASE_URL: database.url,
      HOST: '127.0.0.1',
    };
    await pool.query('insert into subscription.webhook_secret (client_id, secret_sealed) values ($1, $2)', [
      CLIENT,
      createSealer(undefined).seal(generateSecret()),
    ]);
    await pool.query(
      `insert into subscription.agent_event (client_id, application_id, url, method, event_type, after_sequence)
       values ($1, 1, $2, 'POST', 'agent-login', 0)`,
      [CLIENT, receiver.url],
    );
    // As an operator may have made them: the broker keeps what producers compress, and takes no letter above its default size.
    const admin = new Kafka({ brokers: kafka.brokers, logLevel: logLevel.NOTHING }).admin();
    await admin.connect();
    const configEntries = [
      { name: 'compression.type', value: 'producer' },
      { name: 'max.message.bytes', value: '2000000' },
    ];
    await admin.createTopics({
      waitForLeaders: false, // the services wait for them
      topics: [
        { topic: TELEMETRY_TOPIC, numPartitions: 1, configEntries },
        { topic: TELEMETRY_DEAD_LETTER_TOPIC, numPartitions: 1 },
      ],
    });
    await admin.disconnect();
    const bus = (clientId: string) => createKafkaBus({ brokers: kafka.brokers, clientId, partitions: 3, logger });
    reader = bus('test');
    await reader.ensureTopics([TELEMETRY_TOPIC]);
    producer = reader.producer();
    dispatcher = await startDispatcher({ settings, bus: bus('dispatcher'), logger });
    presence = await startPresence({ settings, bus: bus('presence'), logger });
  }, 180_000);

  afterAll(async () => {
    await presence?.stop();
    await dispatcher?.stop();
    await reader?.close();
    await tap?.close();
    await receiver?.stop();
    await pool?.end();
    await database?.drop();
    await kafka?.stop();
  }, 60_000);

  const login = (agentId: number): string =>
    JSON.stringify({
      ...{ client_id: String(CLIENT), agent_type: 'local', agent_id: agentId, agent_status: 'available', event_source: 'api' },
      extension_name: `${agentId}@ringme.ru`,
    });
  const telemetry = (agentId: number) => ({
    topic: TELEMETRY_TOPIC,
    key: partitionKey({ clientId: CLIENT, agentId }),
    value: login(agentId),
  });
  const notified = (agentId: number): Promise<unknown> =>
    eventually(
      `agent ${agentId} is notified`,
      () => receiver.requests.some(({ body }) => body.includes(`agent_id=${agentId}&`)),
      WAIT_MS,
    );
  async function ready({ url }: RunningService): Promise<Ready> {
    const response = await fetch(`${url}/health/ready`);
    return { code: response.status, body: (await response.json()) as Ready['body'] };
  }
  async function dependencyUp({ url }: RunningService): Promise<string | undefined> {
    const text = await (await fetch(`${url}/metrics`)).text();
    return /^rollcall_dependency_up\{dependency="kafka"\} (\d)$/m.exec(text)?.[1];
  }

  it.each(['snappy', 'lz4', 'zstd', 'gzip'])('takes telemetry that a Java service compresses with %s', async (codec) => {
    const agentId = nextAgent++;
    await produceWithJava(kafka.brokers, { 'compression.type': codec }, [
      { ...telemetry(agentId), headers: [['tracestate', null]] },
    ]);
    await notified(agentId);
  });

  it('dead-letters each record once, with all of its headers, and goes on', async () => {
    const agentId = nextAgent++;
    const bytes = Buffer.from([0xff, 0x00]);
    const headers = [
      ['rollcall-error', 'not ours'],
      ['twice', '1'],
      ['bytes', bytes],
      ['twice', null],
      ['__proto__', 'p'],
    ] as const;
    const tooLarge = `{"client_id":"${'x'.repeat(1_500_000)}"}`; // its topic takes it, that of dead letters does not
    await produceWithJava(kafka.brokers, { 'max.request.size': 2_000_000, 'batch.size': 1 }, [
      { topic: TELEMETRY_TOPIC, key: null, value: null, headers },
      { topic: TELEMETRY_TOPIC, key: bytes, value: bytes, headers: [['a', null]] },
      { topic: TELEMETRY_TOPIC, key: 'k', value: '['.repeat(100_000) },
      { topic: TELEMETRY_TOPIC, key: 'k', value: tooLarge },
      { topic: TELEMETRY_TOPIC, key: 'k', value: `\ufeff${login(999)}` },
      { topic: TELEMETRY_TOPIC, key: 'k', value: '{"__proto__":{"client_id":"12"},"constructor":1,"agent_id":-0.5}' },
      telemetry(agentId),
    ]);
    await notified(agentId);
    const tapped = await tap.read(TELEMETRY_DEAD_LETTER_TOPIC);
    await eventually('no lag', async () => (await tap.lag(PRESENCE_GROUP, TELEMETRY_TOPIC)) === 0, WAIT_MS);
    await eventually('the letters', () => tapped.length >= 6, WAIT_MS);
    const letters = tapped.map(({ headerList, bytes: { key, value } }) => ({ headers: headerList, key, value }));
    expect(letters).toHaveLength(6);
    expect(letters[0]!.headers.slice(0, -1)).toEqual(
      headers.map(([name, value]) => [name, value === null ? null : String(value)]),
    );
    for (const { headers: all } of letters) expect(all.at(-1)![0]).toBe(ERROR_HEADER);
    expect(letters[0]).toMatchObject({ key: null, value: null });
    expect(letters[1]).toMatchObject({ key: bytes, value: bytes });
    expect(letters[3]!.headers.at(-1)![1]).toMatch(/too large for this topic and stand at offset \d+ of partition 0/);
  });

  it('makes the status topic again, and delivers what changes after it was deleted', async () => {
    const before = nextAgent++;
    await producer.send(TELEMETRY_TOPIC, [telemetry(before)]);
    await notified(before);
    await tap.deleteTopic(STATUS_CHANGED_TOPIC);
    await eventually(
      'the dispatcher says so',
      async () => (await ready(dispatcher)).body.checks['kafka']?.includes('missing'),
      WAIT_MS,
    );
    const after = nextAgent++;
    await producer.send(TELEMETRY_TOPIC, [telemetry(after)]);
    await notified(after);
    for (const service of [presence, dispatcher]) {
      await eventually('ready', async () => (await ready(service)).body.checks['kafka'] === 'ok', WAIT_MS);
    }
    expect(await tap.lag(DISPATCHER_GROUP, STATUS_CHANGED_TOPIC)).toBeLessThanOrEqual(1);
  });

  it.each([
    ['telemetry', TELEMETRY_TOPIC],
    ['dead-letter', TELEMETRY_DEAD_LETTER_TOPIC],
  ])('makes the %s topic again', async (_, topic) => {
    await tap.deleteTopic(topic);
    const agentId = nextAgent++;
    const send = () => producer.send(TELEMETRY_TOPIC, [{ key: null, value: 'poison' }, telemetry(agentId)]).then(() => true);
    await eventually('the records are taken', send, WAIT_MS);
    await notified(agentId);
    await eventually('a letter', async () => (await tap.endOffset(TELEMETRY_DEAD_LETTER_TOPIC)) > 0, WAIT_MS);
  });

  it('is ready without the broker where telemetry goes on, and says that it is degraded', async () => {
    await eventually('ready', async () => (await ready(presence)).body.checks['kafka'] === 'ok', WAIT_MS);
    expect(await ready(presence)).toMatchObject({ code: 200, body: { status: 'ready', checks: { postgresql: 'ok' } } });
    expect(await dependencyUp(presence)).toBe('1');
    kafka.freeze();
    const codes = new Set<number>();
    const tookMs: number[] = [];
    const look = async (): Promise<Ready> => {
      const startedAt = performance.now();
      const answer = await ready(presence);
      tookMs.push(performance.now() - startedAt);
      codes.add(answer.code);
      return answer;
    };
    const degraded = await eventually(
      'degraded',
      async () => {
        const answer = await look();
        return answer.body.checks['kafka'] === 'degraded' && answer;
      },
      WAIT_MS,
    );
    // While the broker is asked again, and again does not answer: orchestrators wait for a second (one hiccup of a busy machine is none).
    for (const end = performance.now() + 10_000; performance.now() < end;) await look();
    expect(codes).toEqual(new Set([200]));
    expect(tookMs.filter((ms) => ms > 1000).length).toBeLessThanOrEqual(1);
    expect(degraded).toMatchObject({
      code: 200,
      body: { status: 'ready', reasons: { kafka: expect.stringMatching(/Kafka/) as string } },
    });
    expect(await dependencyUp(presence)).toBe('0');
    await eventually('not ready', async () => (await ready(dispatcher)).code === 503, WAIT_MS);
    kafka.thaw();
    for (const service of [presence, dispatcher]) {
      await eventually('ready', async () => (await ready(service)).body.checks['kafka'] === 'ok', WAIT_MS);
    }
  });

  it('is not ready before the broker was reached once', async () => {
    const settings = { ...readSettings({}), DATABASE_URL: database.url, HOST: '127.0.0.1', PRESENCE_PORT: 0 };
    const bus = createKafkaBus({ brokers: ['127.0.0.1:1'], clientId: 'lost', partitions: 1, logger });
    const lost = await startPresence({ settings, bus, logger });
    try {
      const { code, body } = await ready(lost);
      expect({ code, status: body.status }).toEqual({ code: 503, status: 'not_ready' });
      expect(body.checks['kafka']).toMatch(/Kafka cannot be reached/);
    } finally {
      await lost.stop();
    }
  });
});
