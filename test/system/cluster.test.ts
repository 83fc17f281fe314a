import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TELEMETRY_DEAD_LETTER_TOPIC, TELEMETRY_TOPIC, STATUS_CHANGED_TOPIC } from '#contracts';
import { call, type RestClient } from '../support/client.js';
import type { Cluster } from '../support/cluster.js';
import { ClusterWorld } from '../support/cluster-world.js';
import type { KafkaTap, TappedRecord } from '../support/kafka-tap.js';
import { eventually } from '../support/poll.js';
import type { RecordingReceiver } from '../support/receiver.js';
import { LOGIN_ITEM } from '../support/telemetry-item.js';
import { LocalKafka } from '../../tools/kafka/local-kafka.js';

const PAIRS = 'agent_status=available&agent_type=local&event_source=api&agent_id=136&extension_name=000*094%40ringme.ru';

// The services' topics and groups have fixed names, so this suite has a broker of its own.
describe.skipIf((await LocalKafka.missing()) !== undefined)('three services on real Kafka and PostgreSQL', () => {
  let kafka: LocalKafka;
  let world: ClusterWorld;
  let cluster: Cluster;
  let tap: KafkaTap;
  let receiver: RecordingReceiver;
  let demo: RestClient;
  let platform: RestClient;

  beforeAll(async () => {
    kafka = await LocalKafka.start();
    world = await ClusterWorld.start(kafka.brokers, {
      DELIVERY_RETRY_SCHEDULE: '200ms,400ms,800ms,1s,1s,1s,1s,1s,1s,1s,1s,1s',
    });
    ({ cluster, tap, receiver, demo, platform } = world);
  }, 180_000);

  afterAll(async () => {
    await world?.stop();
    await kafka?.stop();
  }, 60_000);

  async function subscribe(agentId: number, path: string, event_type = 'agent-login'): Promise<void> {
    const answer = await demo.api('POST', `/client/@me/agent/local/${agentId}/event/`, {
      url: `${receiver.url}${path}`,
      event_type,
      method: 'GET',
    });
    expect(answer.status).toBe(201);
  }

  async function addAgent(agentId: number): Promise<void> {
    expect((await demo.api('PUT', `/client/@me/agent/local/${agentId}`, { extension_name: `${agentId}@ringme.ru` })).status).toBe(
      200,
    );
  }

  it('carries the seed’s example from Kafka to the third party, and publishes the change', async () => {
    await demo.api('PUT', '/client/@me/agent/local/136', { extension_name: '000*094@ringme.ru' });
    await subscribe(136, '/seed');
    const changes = await tap.read(STATUS_CHANGED_TOPIC);
    await tap.send(TELEMETRY_TOPIC, [
      { key: '12:136', value: JSON.stringify({ ...LOGIN_ITEM, occurred_at: '2026-11-22T10:00:00.123Z' }) },
      { key: '12:136', value: JSON.stringify(LOGIN_ITEM) },
    ]);
    await eventually('the notification', () => receiver.at('/seed').length > 0, 40_000);
    expect(receiver.at('/seed')).toMatchObject([{ method: 'GET', url: `/seed?${PAIRS}` }]);

    const [change] = await eventually('the change on the topic', () => changes.length > 0 && changes);
    expect(change).toMatchObject({ key: '12:136', headers: { ce_specversion: '1.0', 'content-type': 'application/json' } });
    expect(change!.headers['ce_id']).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-/);
    expect(change!.headers['traceparent']).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$/);
    const value = JSON.parse(change!.value ?? '') as { changed_at: string };
    expect(value).toEqual({
      ...LOGIN_ITEM,
      previous_status: 'logged_out',
      sequence: 1,
      occurred_at: '2026-11-22T10:00:00.123Z',
      changed_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/) as string,
    });
    expect(Object.keys(value)).toEqual([
      ...['client_id', 'agent_id', 'agent_type', 'extension_name', 'agent_status', 'previous_status', 'event_source', 'sequence'],
      ...['occurred_at', 'changed_at'],
    ]);
  }, 60_000);

  it('puts poison aside with the reason, key and value as they came, and goes on', async () => {
    const letters = await tap.read(TELEMETRY_DEAD_LETTER_TOPIC);
    const poison: readonly (string | Buffer)[] = [
      '{"client_id":',
      Buffer.from([0xcf, 0xf0, 0xe8]),
      'null',
      JSON.stringify({ ...LOGIN_ITEM, agent_status: 'busy' }),
      JSON.stringify({ ...LOGIN_ITEM, agent_id: -1 }),
      JSON.stringify({ ...LOGIN_ITEM, agent_id: 2 ** 53 }),
      JSON.stringify({ ...LOGIN_ITEM, agent_type: 'remote', agent_number: '+7' }),
    ];
    await tap.send(TELEMETRY_TOPIC, [
      ...poison.map((value) => ({ key: '12:136', value })),
      { key: '12:136', value: null },
      { key: '12:136', value: JSON.stringify({ ...LOGIN_ITEM, agent_status: 'logged_out', event_source: 'phone' }) },
    ]);
    await eventually('the record after the poison', async () => {
      const agent = await demo.api('GET', '/client/12/agent/local/136');
      return (agent.json as { sequence: number }).sequence === 2;
    });
    await eventually('all dead letters', () => letters.length >= poison.length + 1);
    expect(letters.map((letter: TappedRecord) => letter.key)).toEqual(Array<string>(poison.length + 1).fill('12:136'));
    expect(letters.map((letter) => letter.value)).toEqual([...poison.map((value) => value.toString()), undefined]);
    expect(letters.every((letter) => (letter.headers['rollcall-error'] ?? '') !== '')).toBe(true);
    expect(letters[3]?.headers['rollcall-error']).toContain('agent_status');
  }, 60_000);

  it('loses nothing when every service is killed in turn', async () => {
    const agents = Array.from({ length: 20 }, (_, index) => 1000 + index);
    for (const agentId of agents) {
      await addAgent(agentId);
      await subscribe(agentId, `/killed/${agentId}/`);
      await subscribe(agentId, `/killed/${agentId}/`, 'agent-logout');
    }
    const rounds = 12;
    for (let round = 0; round < rounds; round++) {
      await tap.send(
        TELEMETRY_TOPIC,
        agents.map((agent_id) => ({
          key: `12:${agent_id}`,
          value: JSON.stringify({
            ...LOGIN_ITEM,
            agent_id,
            extension_name: undefined,
            agent_status: round % 2 === 0 ? 'available' : 'logged_out',
          }),
        })),
      );
      const victim = [cluster.of('presence')[0], cluster.of('dispatcher')[0]][round % 2]!;
      if (round % 3 === 1) {
        await victim.process.stop('SIGKILL');
        await cluster.restart(victim);
      }
    }
    for (const agentId of agents) {
      const path = `/killed/${agentId}/`;
      await eventually(`all notifications of ${agentId}`, () => sequencesOf(receiver, path).length >= rounds, 90_000);
      expect(sequencesOf(receiver, path)).toEqual(Array.from({ length: rounds }, (_, index) => index + 1));
    }
  }, 180_000);

  it('answers 503 and says why it is not ready while the database is gone', async () => {
    await world.database.drop();
    const unavailable = { status: 503, json: { status: 'unavailable' } };
    expect(await demo.api('GET', '/client/@me/limit/')).toMatchObject(unavailable);
    expect(await platform.telemetry({ ...LOGIN_ITEM, agent_status: 'available', occurred_at: undefined })).toMatchObject(
      unavailable,
    );
    for (const instance of cluster.instances) {
      expect((await call(`${instance.url}/health/ready`)).status).toBe(503);
      expect((await call(`${instance.url}/health/live`)).status).toBe(200);
    }
  }, 120_000);

  it('ends every service with 0 on SIGTERM, even then', async () => {
    const codes = await Promise.all(cluster.instances.map((instance) => instance.process.stop()));
    expect(codes).toEqual([0, 0, 0]);
  }, 60_000);
});

/** The sequences in the order of their first arrival; a repeat after a crash carries the same webhook-id and is passed over. */
function sequencesOf(receiver: RecordingReceiver, path: string): number[] {
  const ids = new Set<unknown>();
  return receiver
    .at(path)
    .filter(({ headers }) => !ids.has(headers['webhook-id']) && ids.add(headers['webhook-id']))
    .map(({ headers }) => Number(headers['webhook-sequence']));
}
