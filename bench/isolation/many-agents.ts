import { setTimeout as delay } from 'node:timers/promises';
import { itemOf, NOISY, type Town } from './town.js';

const FILL_MS = 180_000;

/** Agents of the noisy client, all logged in, with two agent events for all of them; what was sent of the logins is in the log. */
export class ManyAgents {
  private constructor(
    private readonly town: Town,
    private readonly count: number,
    readonly loginEvent: number,
    readonly logoutEvent: number,
  ) {}

  /** Writes what takes long to come about into the database: agents, their logins, and that these were notified. */
  static async create(town: Town, count: number): Promise<ManyAgents> {
    const eventOf = async (event_type: string): Promise<number> => {
      const event = { url: `${town.noisyReceivers.origins[0]}/`, event_type, method: 'POST' };
      return (await town.asNoisy<{ id: number }>('POST', '/agent_events/', event)).id;
    };
    const [loginEvent, logoutEvent] = [await eventOf('agent-login'), await eventOf('agent-logout')];
    const { pool } = town;
    await pool.query('insert into presence.client (client_id) values ($1) on conflict do nothing', [NOISY]);
    await pool.query(
      `insert into presence.agent (client_id, agent_id, agent_type, name, agent_status, sequence, changed_at)
       select $1, n, 'local', n || '@example.org', 'available', 1, now() from generate_series(1, $2::integer) n`,
      [NOISY, count],
    );
    await pool.query(
      `insert into presence.status_change
         (id, client_id, agent_id, agent_type, name, agent_status, event_source, sequence, occurred_at, changed_at)
       select (substr(presence.uuid_v7_floor(now())::text, 1, 15) || substr(gen_random_uuid()::text, 16))::uuid,
         $1, n, 'local', n || '@example.org', 'available', 'api', 1, now(), now()
       from generate_series(1, $2::integer) n`,
      [NOISY, count],
    );
    await pool.query(
      `insert into dispatch.agent_cursor (client_id, agent_id, last_sequence) select $1, n, 1 from generate_series(1, $2::integer) n`,
      [NOISY, count],
    );
    await pool.query(
      `insert into dispatch.attempt (agent_event_id, change_id, attempt, attempted_at, latency_ms, outcome, http_status, response)
       select $2, id, 1, changed_at, 20, 'delivered', 200, 'ok' from presence.status_change where client_id = $1 and sequence = 1 and agent_id <= $3`,
      [NOISY, loginEvent, count],
    );
    await pool.query('analyze presence.agent, presence.status_change, dispatch.agent_cursor, dispatch.attempt');
    return new ManyAgents(town, count, loginEvent, logoutEvent);
  }

  /** Logs all of them out, to an endpoint that is dead, and waits until what is to be notified waits. */
  async logOutTo(url: string): Promise<void> {
    await this.town.asNoisy('PUT', `/agent_events/${this.logoutEvent}`, { url });
    await this.town.report(Array.from({ length: this.count }, (_, nth) => itemOf(NOISY, nth + 1, false)));
    for (const deadline = Date.now() + FILL_MS; (await this.waiting()) < this.count; await delay(500)) {
      if (Date.now() > deadline) throw new Error(`only ${await this.waiting()} of ${this.count} wait for the dead endpoint`);
    }
  }

  /** Counts the agents whose notification waits. */
  async waiting(): Promise<number> {
    const text = 'select count(*)::integer as waiting from dispatch.behind where agent_event_id = $1';
    const { rows } = await this.town.pool.query<{ waiting: number }>(text, [this.logoutEvent]);
    return rows[0]!.waiting;
  }
}
