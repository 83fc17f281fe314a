import { uuidv7 } from 'uuidv7';
import { describe, expect, it } from 'vitest';
import type { StatusChange } from '#contracts';
import { useDispatcherWorld, type DispatcherWorld } from '../../../../test/support/dispatcher-world.js';
import { eventually } from '../../../../test/support/poll.js';
import type { RecordingReceiver } from '../../../../test/support/receiver.js';

describe('the queue of the version before', () => {
  let world: DispatcherWorld;
  let receiver: RecordingReceiver;
  useDispatcherWorld((...given) => ([world, receiver] = given));

  /** Rows of one lane, as the dispatcher before left them. */
  async function queued(
    eventId: number,
    changes: readonly StatusChange[],
    owner: string | null,
    attemptsBefore = 0,
  ): Promise<void> {
    await world.pool.query(
      `insert into dispatch.queue (lane, sequence, agent_event_id, change_id, client_id, agent_id, due_at, lease_owner, attempts_before, expires_at)
       select dispatch.lane_of(c.client_id, c.agent_id, e.url), c.sequence, e.id, c.id, c.client_id, c.agent_id,
              case when c.id = ($2::uuid[])[1] then now() + case when $3::uuid is null then interval '0' else interval '1 hour' end end, case when c.id = ($2::uuid[])[1] then $3::uuid end, $4,
              now() + interval '1 hour'
       from subscription.agent_event e, presence.status_change c where e.id = $1 and c.id = any ($2)`,
      [eventId, changes.map(({ id }) => id), owner, attemptsBefore],
    );
    await world.pool.query(
      `insert into dispatch.agent_cursor (client_id, agent_id, last_sequence)
       select client_id, agent_id, max(sequence) from presence.status_change group by 1, 2
       on conflict (client_id, agent_id) do update set last_sequence = excluded.last_sequence`,
    );
  }

  const ready = async (url: string): Promise<string> => {
    const answer = await fetch(`${url}/health/ready`);
    return ((await answer.json()) as { checks: { postgresql: string } }).checks.postgresql;
  };

  it('is carried over once no older dispatcher has any of it in hand, and sent in order', async () => {
    const event = await world.subscribe(1, `${receiver.url}/`);
    const changes: StatusChange[] = [];
    for (let n = 0; n < 5; n++) changes.push(await world.log(1));
    const logins = changes.filter(({ agentStatus }) => agentStatus === 'available');
    await queued(event, logins, uuidv7());
    const service = await world.start();
    await eventually('a readiness that says why', async () =>
      (await ready(service.url)).includes('an older dispatcher is still running'),
    );
    expect(receiver.requests).toEqual([]);
    await world.pool.query('update dispatch.queue set due_at = now() where due_at is not null'); // it has given it back
    await eventually('all of it', () => receiver.requests.length === 3);
    expect(receiver.requests.map(({ headers }) => headers['webhook-id'])).toEqual(logins.map(({ id }) => `${id}_${event}`));
    expect(await eventually('readiness', async () => (await ready(service.url)) === 'ok')).toBe(true);
    expect((await world.pool.query('select from dispatch.queue')).rowCount).toBe(0);
    await eventually('nothing behind', async () => (await world.pool.query('select from dispatch.behind')).rowCount === 0);
  });

  it('is carried over without what belongs to a deleted agent event, and what was sent again as that', async () => {
    const events = [await world.subscribe(null, `${receiver.url}/a`), await world.subscribe(null, `${receiver.url}/b`)];
    const changes: StatusChange[] = [];
    for (let agent = 1; agent <= 30; agent++) changes.push(await world.log(agent));
    await queued(events[0]!, changes, null);
    await queued(events[1]!, changes.slice(0, 10), null);
    const again = await world.subscribe(1, `${receiver.url}/c`);
    await queued(again, changes.slice(0, 1), null, 3);
    await world.pool.query('delete from subscription.agent_event where id = $1', [events[1]]);
    await world.start();
    await eventually('all of it', () => receiver.requests.length === 31);
    expect(receiver.at('/a')).toHaveLength(30);
    expect(receiver.at('/b')).toEqual([]);
    expect(receiver.at('/c').map(({ headers }) => headers['webhook-attempt'])).toEqual(['4']);
  });
});
