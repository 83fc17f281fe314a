import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { EventPattern, Payload } from '@nestjs/microservices';
import { importJWK, type CryptoKey } from 'jose';
import { uuidv7 } from 'uuidv7';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeSigningKey, signToken, type AccessLevel, type TokenSigningKey } from '#auth';
import { InProcessBroker, type BusBatch, type BusProducer, type BusRecord } from '#bus';
import { STATUS_CHANGED_TOPIC, TELEMETRY_DEAD_LETTER_TOPIC, TELEMETRY_TOPIC } from '#contracts';
import { NestLogger, readSettings, type RunningService } from '#runtime';
import { eventually } from '../../../test/support/poll.js';
import { createTestDatabase, type TestDatabase } from '../../../test/support/postgres.js';
import { startPresence } from '../src/start.js';
import { Gate, Instance, report, SILENT } from './support.js';

const changes: BusRecord[] = [];
const deadLetters: BusRecord[] = [];

/** What stands behind presence: reads its two topics. */
@Controller()
class Reader {
  @EventPattern(STATUS_CHANGED_TOPIC)
  onChanges(@Payload() { records }: BusBatch): void {
    changes.push(...records);
  }

  @EventPattern(TELEMETRY_DEAD_LETTER_TOPIC)
  onDeadLetters(@Payload() { records }: BusBatch): void {
    deadLetters.push(...records);
  }
}

@Module({ controllers: [Reader] })
class ReaderModule {}

describe('presence', () => {
  let database: TestDatabase;
  let instance: Instance;
  let gate: Gate;
  let presence: RunningService;
  let key: TokenSigningKey;
  let platform: string;
  let producer: BusProducer;
  const stops: (() => Promise<void>)[] = [];

  beforeAll(async () => {
    database = await createTestDatabase();
    stops.push(() => database.drop());
    instance = await Instance.connect(database.url);
    stops.push(() => instance.close());
    gate = await Gate.to(database.url);
    stops.push(() => gate.close());
    key = await addKey();
    platform = await tokenOf('platform');

    const broker = new InProcessBroker({ consumed: [TELEMETRY_TOPIC, STATUS_CHANGED_TOPIC, TELEMETRY_DEAD_LETTER_TOPIC] });
    stops.push(() => Promise.resolve(broker.close()));
    const reader = await NestFactory.createMicroservice(ReaderModule, {
      strategy: broker.bus().strategy({ groupId: 'reader' }),
      logger: new NestLogger(SILENT),
    });
    await reader.listen();
    stops.push(() => reader.close());
    producer = broker.bus().producer();
    presence = await startPresence({
      settings: { ...readSettings({}), DATABASE_URL: gate.url, DATABASE_POOL: 5, HOST: '127.0.0.1', PRESENCE_PORT: 0 },
      bus: broker.bus(),
      logger: SILENT,
    });
    stops.push(() => presence.stop());
  });

  afterAll(async () => {
    for (let stop = stops.pop(); stop; stop = stops.pop()) await stop();
  });

  async function addKey(): Promise<TokenSigningKey> {
    const made = await makeSigningKey();
    await instance.pool.query('insert into access.signing_key (kid, public_jwk, private_jwk_sealed) values ($1, $2, $3)', [
      made.kid,
      made.publicJwk,
      '',
    ]);
    return { kid: made.kid, privateKey: (await importJWK(made.privateJwk, 'ES256')) as CryptoKey };
  }

  async function tokenOf(access: AccessLevel): Promise<string> {
    const { rows } = await instance.pool.query<{ id: number }>(
      `insert into access.application (app_id, client_id, access, secret_hash) values ($1, 12, $1, '') returning id`,
      [access],
    );
    return signToken({ applicationId: rows[0]!.id, appId: access, clientId: 12, access }, key);
  }

  async function post(body: string | object, token: string | undefined = platform): Promise<{ status: number; body: unknown }> {
    const response = await fetch(`${presence.url}/telemetry`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
    return { status: response.status, body: await response.json() };
  }

  const publishedOf = (agentId: number): Record<string, unknown>[] =>
    changes
      .filter((record) => record.key?.endsWith(`:${agentId}`))
      .map((record) => JSON.parse(String(record.value)) as Record<string, unknown>);

  it('describes itself, and has a page to try it with', async () => {
    const document = (await (await fetch(`${presence.url}/api/openapi.json`)).json()) as {
      paths: Record<string, { post: { operationId: string; responses: object } }>;
      components: { schemas: object };
    };
    expect(Object.keys(document.paths)).toEqual(['/telemetry']);
    const { operationId, responses } = document.paths['/telemetry']!.post;
    expect([operationId, Object.keys(responses)]).toEqual([
      'reportTelemetry',
      ['200', '400', '401', '403', '413', '415', '429', '500', '503'],
    ]);
    expect(Object.keys(document.components.schemas).toSorted()).toEqual(['Error', 'TelemetryItem', 'TelemetryResult']);
    const page = await fetch(`${presence.url}/api/docs`);
    expect([page.status, page.headers.get('content-type')]).toEqual([200, expect.stringContaining('text/html')]);
  });

  it('takes one item or an array, and publishes what changed', async () => {
    expect(await post(report(136, 'available', { client_id: '77' }))).toEqual({
      status: 200,
      body: [{ result: 'changed', sequence: 1 }],
    });
    expect(await post([report(136, 'available', { client_id: '77' }), {}])).toMatchObject({
      status: 200,
      body: [
        { result: 'unchanged', sequence: 1 },
        { result: 'rejected', errors: { client_id: ['is required'] } },
      ],
    });
    await eventually('the change on the topic', () => publishedOf(136).length === 1);
    expect(publishedOf(136)).toMatchObject([
      { client_id: '77', agent_id: 136, agent_status: 'available', previous_status: 'logged_out', sequence: 1 },
    ]);
  });

  it('takes a thousand of the longest items, and no more than a thousand', async () => {
    const longest = (n: number): object => report(10_000 + n, 'available', { extension_name: '€'.repeat(255) });
    const items = Array.from({ length: 1001 }, (_, n) => longest(n));
    const escaped = JSON.stringify(items.slice(1)).replaceAll('€', '\\u20ac');
    const { status, body } = await post(escaped);
    expect(status).toBe(200);
    expect(body).toHaveLength(1000);
    expect(await post(items)).toMatchObject({
      status: 400,
      body: { status: 'validation_error', errors: { body: ['must have at most 1000 items'] } },
    });
    expect(await post([])).toEqual({ status: 200, body: [] });
  });

  it.each(['"text"', '1', 'null', '{"client_id":', ''])('refuses a body that is no item: %j', async (body) => {
    expect(await post(body)).toMatchObject({ status: 400, body: { status: 'validation_error' } });
  });

  it('is for platform applications only', async () => {
    expect(await post([], '')).toEqual({ status: 401, body: { message: 'Unauthorized', status: 'unauthorized' } });
    expect(await post([], await tokenOf('all'))).toMatchObject({ status: 403, body: { status: 'app_access_type_deny' } });
  });

  it('takes telemetry from the bus; what is unusable becomes a dead letter as it came, and the rest goes on', async () => {
    const good = JSON.stringify(report(300, 'available'));
    const records = [
      { key: '12:300', value: good, headers: { trace: 'a' } },
      { key: 'bad json', value: '{"client_id"', headers: { trace: 'b' } },
      { key: null, value: Buffer.from([0xff, 0xfe]) },
      { key: 'an array', value: `[${good}]` },
      { key: 'rejected', value: JSON.stringify({ ...report(300, 'available'), agent_status: 'away', event_source: undefined }) },
      { key: 'a tombstone', value: null },
      { key: '12:300', value: good },
      { key: '12:300', value: JSON.stringify(report(300, 'logged_out')) },
    ];
    await producer.send(TELEMETRY_TOPIC, records);
    await eventually('both changes', () => publishedOf(300).length === 2);
    expect(publishedOf(300).map((change) => [change['sequence'], change['agent_status']])).toEqual([
      [1, 'available'],
      [2, 'logged_out'],
    ]);
    const letters = new Map(deadLetters.map((record) => [record.key, record]));
    expect(Object.fromEntries([...letters].map(([each, { headers }]) => [String(each), headers['rollcall-error']]))).toEqual({
      'bad json': 'value: must be JSON',
      null: 'value: must be UTF-8',
      'an array': 'item: must be a JSON object',
      rejected: 'agent_status: must be one of: available, logged_out; event_source: is required',
      'a tombstone': 'value: must be a JSON object, is empty',
    });
    expect(letters.get('bad json')).toMatchObject({ value: Buffer.from('{"client_id"'), headers: { trace: 'b' } });
    expect(letters.get(null)!.value).toEqual(Buffer.from([0xff, 0xfe]));
    expect(letters.get('a tombstone')!.value).toBeNull();
  });

  it('publishes what another service had the database log', async () => {
    await post(report(400, 'available'));
    await instance.pool.query(`select presence.remove_agent(12, 'local', 400, $1)`, [uuidv7()]);
    await eventually('the log-out', () => publishedOf(400).some((change) => change['agent_status'] === 'logged_out'));
  });

  it('is ready, and counts what it does', async () => {
    const ready = await fetch(`${presence.url}/health/ready`);
    expect({ status: ready.status, body: await ready.json() }).toEqual({
      status: 200,
      body: { status: 'ready', checks: { postgresql: 'ok', kafka: 'ok' } },
    });
    const metrics = await (await fetch(`${presence.url}/metrics`)).text();
    expect(metrics).toMatch(/^rollcall_telemetry_items_total\{result="changed",via="http"\} \d/m);
    expect(metrics).toMatch(/^rollcall_relay_shards 16$/m);
  });

  it('answers 503 while the database is away, and recovers', async () => {
    await gate.close();
    expect(await post(report(500, 'available'))).toMatchObject({ status: 503, body: { status: 'unavailable' } });
    const redelivered = producer.send(TELEMETRY_TOPIC, [{ key: '12:501', value: JSON.stringify(report(501, 'available')) }]);
    expect((await fetch(`${presence.url}/health/ready`)).status).toBe(503);
    expect((await fetch(`${presence.url}/health/live`)).status).toBe(200);
    await gate.open();
    await eventually('recovery', async () => (await post(report(500, 'available'))).status === 200);
    await redelivered;
    await eventually('the changes on the topic', () => publishedOf(500).length === 1 && publishedOf(501).length === 1);
  });

  it('leaves nothing behind when it stops', async () => {
    await presence.stop();
    const { rows } = await instance.pool.query(
      `select (select count(*) from presence.relay_instance) as instances,
              (select count(*) from presence.relay_shard where owner is not null) as shards`,
    );
    expect(rows).toEqual([{ instances: 0, shards: 0 }]);
    // The server notices the end of a connection a moment later.
    await eventually('no connections', async () => {
      const connections = `select 1 from pg_stat_activity where application_name = 'rollcall-presence' and datname = current_database()`;
      return (await instance.pool.query(connections)).rowCount === 0;
    });
    await expect(fetch(`${presence.url}/health/live`)).rejects.toThrow();
  });
});
