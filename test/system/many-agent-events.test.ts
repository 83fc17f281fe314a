import { afterAll, beforeAll, expect, it } from 'vitest';
import type { RunningService } from '#runtime';
import { RestClient } from '../support/client.js';
import { CLIENT, DispatcherWorld } from '../support/dispatcher-world.js';
import { eventually } from '../support/poll.js';
import { RecordingReceiver } from '../support/receiver.js';
import { ApiFixture } from '../support/subscription-api.js';

/** `FAN_OUT` for the long form. */
const EVENTS = Number(process.env['FAN_OUT'] ?? 2000);
const PATIENCE_MS = 120_000;

let world: DispatcherWorld;
let receiver: RecordingReceiver;
let service: RunningService;
let demo: RestClient;

beforeAll(async () => {
  world = await DispatcherWorld.create();
  receiver = await RecordingReceiver.start();
  receiver.answer((_request, response) => response.writeHead(503).end());
  await world.start({ DELIVERY_RETRY_SCHEDULE: Array<number>(10_000).fill(100), DELIVERY_WINDOW: 3_600_000 });
  service = await ApiFixture.startService(world.database.url);
  demo = await RestClient.create({ subscriptionApi: service.url, presence: '' }, 'demo', 'demo-secret');
});

afterAll(async () => {
  await service.stop();
  await world.remove();
  await receiver.stop();
});

async function countOf(statement: string, agentId: number): Promise<number> {
  const { rows } = await world.pool.query<{ count: number }>(`select count(*)::integer as count from ${statement}`, [agentId]);
  return rows[0]!.count;
}

/** An agent with many agent events, each of which is tried again and again. */
async function addAgent(agentId: number): Promise<void> {
  await world.pool.query(`select presence.put_agent($1, 'local', $2, 'somebody')`, [CLIENT, agentId]);
  // Past the count, as an import might add them: that is no reason to refuse their removal.
  await world.pool.query(
    `insert into subscription.agent_event (client_id, application_id, agent_id, agent_type, url, method, event_type)
     select $1, (select id from access.application where app_id = 'demo'), $2, 'local', $3 || n, 'POST', 'agent-login'
     from generate_series(1, $4) n`,
    [CLIENT, agentId, `${receiver.url}/${agentId}/`, EVENTS],
  );
  await world.pool.query(`update presence.agent set sequence = 1, agent_status = 'available' where agent_id = $1`, [agentId]);
  await world.change(agentId);
  await eventually('all of them are behind', async () => (await behind(agentId)) === EVENTS, PATIENCE_MS);
}

const behind = (agentId: number): Promise<number> => countOf('dispatch.behind where agent_id = $1', agentId);

async function remove(path: string, agentId: number): Promise<void> {
  const answer = await demo.api('DELETE', path);
  expect([answer.status, answer.text]).toEqual([204, '']);
  expect((await demo.api('GET', '/client/@me/limit/')).json).toMatchObject({ agent_event_used: 0 });
  const audited = `access.audit where action = 'agent_event.removed' and (detail ->> 'agent_id')::bigint = $1`;
  expect(await countOf(audited, agentId)).toBe(EVENTS);
}

it(
  'removes the agent events of an agent while all of them are tried again, and what waits for them',
  async () => {
    await addAgent(1);
    await remove('/client/@me/agent/local/1/event/', 1);
    await eventually('nothing waits any more', async () => (await behind(1)) === 0, PATIENCE_MS);
  },
  3 * PATIENCE_MS,
);

it(
  'removes an agent while all of its agent events are tried again, which go when they are notified',
  async () => {
    await addAgent(2);
    await remove('/client/@me/agent/local/2', 2);
    receiver.answer((_request, response) => response.writeHead(200).end());
    await eventually('nothing waits any more', async () => (await behind(2)) === 0, PATIENCE_MS);
    const paths = new Set(receiver.at('/2/').map(({ url }) => url));
    expect(paths.size).toBe(EVENTS);
  },
  3 * PATIENCE_MS,
);
