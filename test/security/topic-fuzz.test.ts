import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import pg from 'pg';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createKafkaBus } from '#bus';
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
import { LocalKafka } from '../../tools/kafka/local-kafka.js';
import { Random } from '../chaos/random.js';
import { KafkaTap, type TappedRecord } from '../support/kafka-tap.js';
import { eventually } from '../support/poll.js';
import { createTestDatabase, type TestDatabase } from '../support/postgres.js';
import { RecordingReceiver } from '../support/receiver.js';
import { ODD, statusGarbage, telemetryGarbage, type Garbage } from './topic-garbage.js';

const CLIENT = 12;
const AGENTS = 20;
const ROUNDS = Number(process.env['FUZZ_ROUNDS'] ?? 6);
const GARBAGE_PER_ROUND = 200;
const VALID_PER_ROUND = 100;
const SEED = Number(process.env['FUZZ_SEED'] ?? Date.now() % 1_000_000);
/** Of memory that is still in use after a collection, between the second round and the last, in bytes. */
const MAX_GROWTH = 40 * 1024 * 1024;
/** Rounds until caches, pools and compiled code have their size. */
const WARM_UP_ROUNDS = 2;
/** Names a record through the consumers, whatever its key and value are. */
const FUZZ_HEADER = 'fuzz-id';

const say = (line: string): void => void process.stderr.write(`${line}\n`);

// The services' topics and groups have fixed names, so this suite has a broker of its own.
describe.skipIf((await LocalKafka.missing()) !== undefined)('garbage on the topics', () => {
  const random = new Random(SEED);
  const logger = pino({ level: process.env['TEST_LOG_LEVEL'] ?? 'silent' });
  let kafka: LocalKafka;
  let database: TestDatabase;
  let pool: pg.Pool;
  let receiver: RecordingReceiver;
  let tap: KafkaTap;
  let dispatcher: RunningService;
  const services: RunningService[] = [];

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
       select $1, 1, $2, 'POST', type, 0 from unnest(array['agent-login', 'agent-logout']) type`,
      [CLIENT, receiver.url],
    );
    const bus = (clientId: string) => createKafkaBus({ brokers: kafka.brokers, clientId, partitions: 3, logger });
    dispatcher = await startDispatcher({ settings, bus: bus('dispatcher'), logger });
    services.push(dispatcher, await startPresence({ settings, bus: bus('presence'), logger }));
  }, 180_000);

  afterAll(async () => {
    for (const service of services.reverse()) await service.stop();
    await tap?.close();
    await receiver?.stop();
    await pool?.end();
    await database?.drop();
    await kafka?.stop();
  }, 60_000);

  const changes = new Map<number, number>();
  const counts = { telemetry: new Map<string, number>(), status: new Map<string, number>(), valid: 0, again: 0 };
  /** By their name: what is to come back as it went. Forgotten when it did, or this suite would be what grows. */
  const awaited = new Map<string, Garbage>();
  let named = 0;

  /** The next change of an agent, as an internal service reports it. */
  function validItem() {
    const agentId = 1 + random.below(AGENTS);
    const nth = (changes.get(agentId) ?? 0) + 1;
    changes.set(agentId, nth);
    counts.valid++;
    const value = JSON.stringify({
      client_id: String(CLIENT),
      agent_type: 'local',
      agent_id: agentId,
      agent_status: nth % 2 === 1 ? 'available' : 'logged_out',
      event_source: 'api',
      extension_name: `${agentId}@ringme.ru`,
      // The first may have been long ago.
      ...(nth === 1 && random.chance(0.5) && { occurred_at: random.pick(['0000-01-01T00:00:00Z', '1582-10-10T00:00:00Z']) }),
      // What nobody knows is ignored.
      ...(random.chance(0.2) && { ['__proto__x']: { polluted: true }, constructor: 7 }),
    });
    return { key: partitionKey({ clientId: CLIENT, agentId }), value };
  }

  function nameIt(garbage: Garbage, of: Map<string, number>) {
    of.set(garbage.kind, (of.get(garbage.kind) ?? 0) + 1);
    const id = String(named++);
    return {
      id,
      record: {
        key: garbage.key,
        value: garbage.value,
        headers: { ...garbage.headers, [FUZZ_HEADER]: id } as Record<string, Buffer | string>,
      },
    };
  }

  async function undecodable(): Promise<number> {
    const text = await (await fetch(`${dispatcher.url}/metrics`)).text();
    return Number(/^rollcall_status_records_undecodable_total (\d+)$/m.exec(text)?.[1] ?? 0);
  }

  it(`does not stop, spoil or swell the consumers (seed ${SEED})`, async () => {
    const letters = await tap.read(TELEMETRY_DEAD_LETTER_TOPIC);
    const published = await tap.read(STATUS_CHANGED_TOPIC);
    const [telemetry, status] = [telemetryGarbage(random), statusGarbage(random)];
    const heap: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const items = Array.from({ length: VALID_PER_ROUND }, () => ({ ...validItem(), headers: {} }));
      const mixed: Parameters<KafkaTap['send']>[1][number][] = items;
      for (let i = 0; i < GARBAGE_PER_ROUND; i++) {
        const garbage = telemetry.next().value as Garbage;
        const { id, record } = nameIt(garbage, counts.telemetry);
        awaited.set(id, garbage);
        mixed.splice(random.below(mixed.length + 1), 0, record);
      }
      const onStatus = Array.from(
        { length: GARBAGE_PER_ROUND },
        () => nameIt(status.next().value as Garbage, counts.status).record,
      );
      const statusSent = sum(counts.status) - (counts.status.get(ODD) ?? 0);
      // What is already there, once more: as a relay that crashed would.
      for (const { key, value, headers } of random.sample(
        published.filter(({ headers: h }) => 'ce_id' in h && !(FUZZ_HEADER in h)),
        20,
      )) {
        onStatus.splice(random.below(onStatus.length), 0, {
          key: key!,
          value: value!,
          headers: headers,
        });
        counts.again++;
      }
      await Promise.all([sendInParts(TELEMETRY_TOPIC, mixed), sendInParts(STATUS_CHANGED_TOPIC, onStatus)]);
      await settled(letters, statusSent);
      heap.push(usedMemory());
      // What has been looked at; else this suite would be what grows.
      (letters as TappedRecord[]).length = 0;
      (published as TappedRecord[]).splice(0, Math.max(0, published.length - 500));
    }
    await checkChanges();
    say(
      `topic fuzz, seed ${SEED}: ${sum(counts.telemetry)} garbage telemetry records of ${counts.telemetry.size} kinds ` +
        `${JSON.stringify(Object.fromEntries(counts.telemetry))}; ${sum(counts.status)} garbage status records of ${counts.status.size} kinds ` +
        `${JSON.stringify(Object.fromEntries(counts.status))}; ${counts.valid} valid items, ${counts.again} repeated status records; ` +
        `memory after each round, MiB: ${heap.map((bytes) => (bytes / 2 ** 20).toFixed(0)).join(' ')}`,
    );
    for (const service of services) expect((await fetch(`${service.url}/health/ready`)).status).toBe(200);
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
    // One reading is 30 MiB up or down; of what grows, even the least of the last is beyond all of the first.
    expect(Math.min(...heap.slice(-WARM_UP_ROUNDS - 1)) - Math.max(...heap.slice(0, WARM_UP_ROUNDS))).toBeLessThan(MAX_GROWTH);
  }, 600_000);

  /** Records in the order given, in requests that a broker takes. */
  async function sendInParts(topic: string, records: Parameters<KafkaTap['send']>[1]): Promise<void> {
    let part: Parameters<KafkaTap['send']>[1][number][] = [];
    let bytes = 0;
    for (const record of records) {
      const size = (record.value?.length ?? 0) + 20_000;
      if (bytes + size > 1_060_000 && part.length > 0) {
        await tap.send(topic, part);
        part = [];
        bytes = 0;
      }
      part.push(record);
      bytes += size;
    }
    if (part.length > 0) await tap.send(topic, part);
  }

  /** Waits until all that was sent is done with, and holds the dead letters against what was sent. */
  async function settled(letters: readonly TappedRecord[], statusSent: number): Promise<void> {
    const what = `the round, seed ${SEED}`;
    await eventually(`${what}: no lag`, async () => (await tap.lag(PRESENCE_GROUP, TELEMETRY_TOPIC)) === 0, 60_000);
    let looked = 0;
    await eventually(
      `${what}: every dead letter`,
      () => {
        for (; looked < letters.length; looked++) checkLetter(letters[looked]!);
        if (awaited.size > 0) throw new Error(`${awaited.size} missing, such as ${[...awaited.values()][0]!.kind}`);
        return true;
      },
      60_000,
    );
    await eventually(`${what}: every notification`, () => receiver.requests.length >= counts.valid, 60_000);
    await eventually(
      `${what}: no lag of the dispatcher`,
      async () => (await tap.lag(DISPATCHER_GROUP, STATUS_CHANGED_TOPIC)) === 0,
      60_000,
    );
    expect(await undecodable()).toBe(statusSent);
  }

  function checkLetter({ headers, bytes }: TappedRecord): void {
    const id = headers[FUZZ_HEADER]!;
    const sent = awaited.get(id);
    if (!sent) return; // a repetition
    const where = `${sent.kind}, seed ${SEED}`;
    expect(headers[ERROR_HEADER], where).toMatch(/^[a-z_]+: ./);
    expect(bytes.key?.equals(Buffer.from(sent.key ?? '')) ?? null, `the key of ${where}`).toBe(sent.key === null ? null : true);
    expect(bytes.value?.equals(Buffer.from(sent.value ?? '')) ?? null, `the value of ${where}`).toBe(
      sent.value === null ? null : true,
    );
    awaited.delete(id);
  }

  /** Every valid item made its change, and every change its one notification, in order. */
  async function checkChanges(): Promise<void> {
    const { rows } = await pool.query<{ agent_id: string; sequence: string }>(
      'select agent_id, sequence from presence.agent where client_id = $1 order by agent_id',
      [CLIENT],
    );
    const expected = [...changes].sort(([a], [b]) => a - b);
    expect(rows.map(({ agent_id, sequence }) => [Number(agent_id), Number(sequence)])).toEqual(expected);
    const { rowCount } = await pool.query('select 1 from presence.client where client_id <> $1', [CLIENT]);
    expect(rowCount).toBe(0);
    for (const [agentId, count] of expected) {
      const got = receiver.requests.filter(({ body }) => new URLSearchParams(body).get('agent_id') === String(agentId));
      expect(got.map(({ headers }) => Number(headers['webhook-sequence']))).toEqual(
        Array.from({ length: count }, (_, nth) => nth + 1),
      );
    }
    expect(receiver.requests.length).toBe(counts.valid);
  }
});

function sum(counts: ReadonlyMap<string, number>): number {
  return [...counts.values()].reduce((all, count) => all + count, 0);
}

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

function usedMemory(): number {
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
