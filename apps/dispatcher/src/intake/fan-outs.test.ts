import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CLIENT, DispatcherWorld, OTHER_CLIENT } from '../../../../test/support/dispatcher-world.js';
import { eventually } from '../../../../test/support/poll.js';
import { RecordingReceiver } from '../../../../test/support/receiver.js';

/** More than a page, and in two changes more than one plan holds; `FAN_OUT` for the long form. */
const EVENTS = Number(process.env['FAN_OUT'] ?? 1200);
const PATIENT = { DELIVERY_TIMEOUT: 60_000, DELIVERY_WINDOW: 36_000_000 };

describe('an agent with thousands of agent events', () => {
  let world: DispatcherWorld;
  let wide: RecordingReceiver;
  let other: RecordingReceiver;

  beforeEach(async () => {
    world = await DispatcherWorld.create();
    wide = await RecordingReceiver.start();
    other = await RecordingReceiver.start();
    await world.pool.query(
      `insert into subscription.agent_event (client_id, application_id, agent_id, agent_type, url, method, event_type)
       select $1, 1, 136, 'local', $2 || n, 'POST', case n % 2 when 0 then 'agent-login' else 'agent-logout' end
       from generate_series(1, 2 * $3::integer) n`,
      [CLIENT, `${wide.url}/`, EVENTS],
    );
  });

  afterEach(async () => {
    await world.remove();
    await wide.stop();
    await other.stop();
  });

  /** What is notified of how many agent events, by sequence; each once. */
  const told = (): Record<string, number> => {
    const events: Record<string, Set<string>> = {};
    for (const { headers } of wide.requests) {
      const sequence = String(headers['webhook-sequence']);
      (events[sequence] ??= new Set()).add(String(headers['webhook-id']));
    }
    return Object.fromEntries(Object.entries(events).map(([sequence, ids]) => [sequence, ids.size]));
  };

  it('has each told of each change once, in order, while another client waits for nothing', async () => {
    await world.subscribe(1, `${other.url}/x`, 'agent-login', 'POST', OTHER_CLIENT);
    await world.start(PATIENT);
    const arrives = async (): Promise<void> => {
      const before = other.requests.length;
      const changes = [await world.log(1, { clientId: OTHER_CLIENT }), await world.log(1, { clientId: OTHER_CLIENT })];
      void world.publish(...changes);
      await eventually('the other client', () => other.requests.length > before);
    };
    await arrives();
    const changes = [await world.log(136), await world.log(136), await world.log(136)];
    const published = world.publish(...changes);
    await eventually('the first of many', () => wide.requests.length > 0);
    let beside = 0;
    for (; wide.requests.length < 3 * EVENTS; beside++) await arrives();
    await published;
    await world.drained(60_000);
    expect(told()).toEqual({ 1: EVENTS, 2: EVENTS, 3: EVENTS });
    expect(wide.requests).toHaveLength(3 * EVENTS);
    // A busy machine is no measure of how long (`npm run bench:isolation` is); this tells whether others wait for all of it.
    expect(beside).toBeGreaterThan(1);
  }, 180_000);

  it('keeps what fails of it behind, row by row, and nothing is lost or repeated when it is killed in the middle', async () => {
    let isDown = true;
    wide.answer((_request, response) => response.writeHead(isDown ? 503 : 200).end());
    const first = await world.start({ ...PATIENT, DELIVERY_RETRY_SCHEDULE: [3_600_000] }, { leaseMs: 62_000 });
    void world.publish(await world.log(136), await world.log(136)).catch(() => undefined);
    await eventually('some that are behind', async () => (await world.behind()).length > 300);
    // As after kill -9: the lease is nobody's that lives, so what this instance still knows is thrown away.
    await world.pool.query(`update dispatch.shard_lease set owner = gen_random_uuid(), epoch = epoch + 1, until = now()`);
    await world.stop(first);
    isDown = false;
    const attempts = wide.requests.length;
    await world.start(PATIENT, { sweep: { everyMs: 200, settleMs: 200 } });
    await eventually(
      'both changes planned',
      async () => {
        const { rows } = await world.pool.query('select from dispatch.agent_cursor where agent_id = 136 and last_sequence = 2');
        return rows.length === 1;
      },
      60_000,
    );
    await world.pool.query('update dispatch.behind set due_at = now() where due_at is not null');
    await world.drained(200_000);
    const { rows } = await world.pool.query(
      `select count(*)::int as delivered from dispatch.attempt where outcome = 'delivered'`,
    );
    expect(rows).toEqual([{ delivered: 2 * EVENTS }]);
    expect(wide.requests.length).toBe(attempts + 2 * EVENTS);
  }, 400_000);
});
