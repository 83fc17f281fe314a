import { randomBytes } from 'node:crypto';
import { Kafka, logLevel } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { DISPATCHER_GROUP, PRESENCE_GROUP, STATUS_CHANGED_TOPIC, TELEMETRY_TOPIC, TOPICS } from '#contracts';
import { runCli } from '../../apps/cli/src/run.js';
import { ArchivedPostgres } from '../support/archived-postgres.js';
import { RestClient } from '../support/client.js';
import { Cluster } from '../support/cluster.js';
import { readStream, type StreamReader } from '../support/event-stream.js';
import { KafkaTap } from '../support/kafka-tap.js';
import { eventually } from '../support/poll.js';
import { RecordingReceiver, type RecordedRequest } from '../support/receiver.js';

const DEADLINE_MS = 120_000;
const STATUS = '/client/@me/agent_status';
const MOMENT = 'moment';

/** docs/operations.md, "Restore", to the letter. */
describe.skipIf(inject('kafkaBrokers').length === 0)('a database that is restored to an earlier moment', () => {
  const prefix = `restore-${randomBytes(4).toString('hex')}.`;
  const brokers = inject('kafkaBrokers');
  const readers: StreamReader[] = [];
  let postgres: ArchivedPostgres;
  let receiver: RecordingReceiver;
  let cluster: Cluster | undefined;
  let tap: KafkaTap;
  let demo: RestClient;
  let platform: RestClient;
  /** Whether the endpoint that fails at first still does. */
  let fails = true;

  beforeAll(async () => {
    [postgres, receiver] = await Promise.all([ArchivedPostgres.start(), RecordingReceiver.start()]);
    receiver.answer(({ url }, response) => response.writeHead(fails && url.startsWith('/late') ? 503 : 200).end());
    tap = new KafkaTap(brokers);
    await start();
  }, 180_000);

  afterAll(async () => {
    for (const reader of readers) reader.close();
    await tap?.close();
    await cluster?.stop();
    await receiver?.stop();
    await postgres?.stop();
    const admin = new Kafka({ brokers, logLevel: logLevel.NOTHING }).admin();
    await admin.connect();
    await admin.deleteTopics({ topics: TOPICS.map((topic) => `${prefix}${topic}`) });
    await admin.deleteGroups([`${prefix}${PRESENCE_GROUP}`, `${prefix}${DISPATCHER_GROUP}`]).catch(() => undefined); // may have gone with them
    await admin.disconnect();
  }, 120_000);

  async function start(): Promise<void> {
    cluster = await Cluster.startOn(postgres.url, brokers, {
      KAFKA_PREFIX: prefix,
      KAFKA_TOPIC_PARTITIONS: '2',
      DELIVERY_RETRY_SCHEDULE: '1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s',
    });
    demo = await RestClient.create(cluster.urls, 'demo', 'demo-secret');
    platform = await RestClient.create(cluster.urls, 'platform', 'platform-secret');
  }

  async function restored(...args: string[]): Promise<{ code: number; said: string }> {
    let said = '';
    const env = { DATABASE_URL: postgres.url, KAFKA_BROKERS: brokers.join(), KAFKA_PREFIX: prefix };
    const write = (text: string): void => void (said += text);
    const code = await runCli(['restored', ...args], { env, write, writeError: write });
    return { code, said };
  }

  const item = (agentId: number, isIn: boolean): object => ({
    ...{ client_id: '12', agent_type: 'local', agent_id: agentId, extension_name: `${agentId}@ringme.ru` },
    ...{ agent_status: isIn ? 'available' : 'logged_out', event_source: 'phone' },
  });
  const overKafka = (agentId: number, isIn: boolean): Promise<void> =>
    tap.send(`${prefix}${TELEMETRY_TOPIC}`, [{ key: `12:${agentId}`, value: JSON.stringify(item(agentId, isIn)) }]);
  const overHttp = async (agentId: number, isIn: boolean): Promise<string> =>
    ((await platform.telemetry(item(agentId, isIn))).json as { result: string }[])[0]!.result;

  async function subscribe(agentId: number, path: string): Promise<number> {
    for (const event_type of ['agent-login', 'agent-logout']) {
      const body = { url: `${receiver.url}${path}`, event_type, method: 'POST' };
      const answer = await demo.api('POST', `/client/@me/agent/local/${agentId}/event/`, body);
      expect(answer.status).toBe(201);
      if (event_type === 'agent-logout') return (answer.json as { id: number }).id;
    }
    throw new Error('unreachable');
  }

  const addAgent = async (agentId: number): Promise<void> =>
    void (await demo.api('PUT', `/client/@me/agent/local/${agentId}`, { extension_name: `${agentId}@ringme.ru` }));
  const arrived = (path: string, count: number): Promise<RecordedRequest[]> =>
    eventually(`${count} at ${path}`, () => receiver.at(path).length >= count && receiver.at(path), DEADLINE_MS);
  const told = (path: string): string[] =>
    receiver
      .at(path)
      .map(({ body, headers }) => `${/agent_status=(\w+)/.exec(body)![1]} ${headers['webhook-sequence'] as string}`);
  const cursorNow = async (): Promise<number> => Number((await demo.api('GET', `${STATUS}/`)).headers.get('x-event-cursor'));
  const historyAfter = (cursor: number) => demo.api('GET', `${STATUS}/history?after=${cursor}`);

  it('repeats what is undone and can be, keeps what was done, and lets no cursor of what is undone be continued', async () => {
    for (const agentId of [1, 2, 3, 4]) await addAgent(agentId);
    await subscribe(1, '/kafka');
    await subscribe(2, '/other');
    await subscribe(3, '/http');
    await subscribe(4, '/late');
    await postgres.backUp();
    await overKafka(1, true);
    await overHttp(3, true);
    await overHttp(4, true);
    await arrived('/kafka', 1);
    await arrived('/http', 1);
    const tried = await arrived('/late', 1);
    const kept = await eventually('everything seen', async () => {
      const cursor = await cursorNow();
      return ((await historyAfter(0)).json as unknown[]).length === 3 && cursor;
    });
    // Deliveries are recorded a moment after they arrive.
    await eventually(
      'the record',
      async () =>
        (await postgres.query('select from dispatch.behind')).length === 1 &&
        (await postgres.query<{ done: number }>('select count(*) as done from dispatch.attempt where http_status = 200'))[0]!
          .done >= 2,
    );
    await postgres.nameMoment(MOMENT);

    // What will be undone.
    await overKafka(1, false);
    await overKafka(2, true);
    expect(await overHttp(3, false)).toBe('changed');
    await addAgent(5);
    const lostId = await subscribe(5, '/lost');
    fails = false;
    await Promise.all([arrived('/kafka', 2), arrived('/other', 1), arrived('/http', 2)]);
    await eventually('the late one', () => receiver.at('/late').length > tried.length, DEADLINE_MS);
    const undone = await eventually('the cursor of it', async () => {
      const cursor = await cursorNow();
      return cursor >= kept + 4 && cursor; // three changes, and an agent that was made
    });
    expect((await historyAfter(undone)).status).toBe(200);

    expect(await restored('--yes')).toMatchObject({
      code: 1,
      said: expect.stringContaining('stop all services first') as string,
    });
    await cluster!.stop();
    const before = receiver.requests.length;
    await postgres.restoreTo(MOMENT);
    expect(await restored()).toMatchObject({ code: 0, said: expect.stringContaining('Nothing was done') as string });
    const { code, said } = await restored('--yes');
    expect([code, said]).toEqual([0, expect.stringMatching(new RegExp(`^${STATUS_CHANGED_TOPIC}: 6 records are deleted\\.\n`))]);
    await start();

    // Telemetry over Kafka comes again: other changes, with other ids.
    await Promise.all([arrived('/kafka', 3), arrived('/other', 2)]);
    expect(told('/kafka')).toEqual(['available 1', 'logged_out 2', 'logged_out 2']);
    expect(told('/other')).toEqual(['available 1', 'available 1']);
    const ids = [...receiver.at('/kafka'), ...receiver.at('/other')].map(({ headers }) => headers['webhook-id']);
    expect(new Set(ids).size).toBe(5);
    // What was delivered after the moment is sent again, as itself.
    const late = await eventually('the late one again', () => {
      const requests = receiver.requests.slice(before).filter(({ url }) => url.startsWith('/late'));
      return requests.length > 0 && requests;
    });
    expect(late[0]!.headers['webhook-id']).toBe(tried[0]!.headers['webhook-id']);
    // What came over HTTP is as it was until it is sent again.
    expect((await demo.api('GET', '/client/@me/agent/local/3')).json).toMatchObject({ agent_status: 'available', sequence: 1 });
    expect(await overHttp(3, false)).toBe('changed');
    await arrived('/http', 3);
    expect(told('/http')).toEqual(['available 1', 'logged_out 2', 'logged_out 2']);
    expect((await demo.api('GET', '/client/@me/agent/local/5')).status).toBe(404);
    await addAgent(5);
    expect(await subscribe(5, '/lost')).toBeGreaterThan(lostId + 1000);

    // Cursors of what is undone are refused; those of before go on, past the positions that nobody has.
    for (const cursor of [kept + 1, undone]) expect((await historyAfter(cursor)).status).toBe(410);
    const changes = await eventually('the changes since', async () => {
      const { json } = await historyAfter(kept);
      return (json as unknown[]).length === 3 && (json as { cursor: number; agent_id: number }[]);
    });
    expect(Math.min(...changes.map(({ cursor }) => cursor))).toBeGreaterThan(undone);
    for (const [cursor, first] of [
      [undone, { event: 'reset', data: { reason: 'unknown_cursor' } }],
      [kept, { event: 'agent-status', data: { agent_id: changes[0]!.agent_id } }],
    ] as const) {
      const reader = await readStream(`${cluster!.urls.subscriptionApi}/api/ver1.0${STATUS}/stream`, {
        authorization: `Bearer ${demo.token}`,
        'last-event-id': String(cursor),
      });
      readers.push(reader);
      await eventually('the first event', () => reader.events.length > 0);
      expect(reader.events[0]).toMatchObject(first);
    }
    // Nothing else was sent.
    expect(told('/lost')).toEqual([]);
    expect(receiver.requests.length - before).toBe(4);
  }, 480_000);
});
