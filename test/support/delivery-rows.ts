import type pg from 'pg';
import { uuidv7 } from 'uuidv7';

/** An agent whose changes and deliveries a test writes. */
export interface RowsOf {
  readonly clientId?: number;
  readonly agentId: number;
}

/** Writes what presence and the dispatcher keep of changes and deliveries, for tests of who reads it. */
export class DeliveryRows {
  private readonly sequences = new Map<string, number>();

  constructor(private readonly pool: pg.Pool) {}

  /**
   * Adds a change as presence logs it: a login, then a logout, and so on.
   *
   * @returns its id
   */
  async addChange({ clientId = 12, agentId }: RowsOf, at = new Date()): Promise<string> {
    const key = `${clientId}:${agentId}`;
    const sequence = (this.sequences.get(key) ?? 0) + 1;
    this.sequences.set(key, sequence);
    const id = uuidv7At(at);
    const status = sequence % 2 === 1 ? 'available' : 'logged_out';
    await this.pool.query(
      `insert into presence.status_change (id, client_id, agent_id, agent_type, name, agent_status, event_source, sequence, occurred_at, changed_at)
       select $1, client_id, agent_id, agent_type, name, $4, 'api', $5, $6, $6 from presence.agent where client_id = $2 and agent_id = $3`,
      [id, clientId, agentId, status, sequence, at],
    );
    await this.pool.query(
      'update presence.agent set sequence = $3, agent_status = $4, changed_at = $5 where client_id = $1 and agent_id = $2',
      [clientId, agentId, sequence, status, at],
    );
    return id;
  }

  /** Adds a login, and the logout before it where there must be one. */
  async addLogin(of: RowsOf, at?: Date): Promise<string> {
    const { clientId = 12, agentId } = of;
    if ((this.sequences.get(`${clientId}:${agentId}`) ?? 0) % 2 === 1) await this.addChange(of, at);
    return this.addChange(of, at);
  }

  /** Records that everything of the agent is planned, up to a sequence; all by default. */
  async plan({ clientId = 12, agentId }: RowsOf, upTo = this.sequences.get(`${clientId}:${agentId}`) ?? 0): Promise<void> {
    await this.pool.query(
      `insert into dispatch.agent_cursor as c (client_id, agent_id, last_sequence) values ($1, $2, $3)
       on conflict (client_id, agent_id) do update set last_sequence = greatest(c.last_sequence, excluded.last_sequence)`,
      [clientId, agentId, upTo],
    );
  }

  /** Adds an attempt as the dispatcher logs it. */
  async addAttempt(
    agentEventId: number,
    changeId: string,
    attempt: number,
    outcome: 'delivered' | 'retry' | 'failed' | 'dropped',
    status: number | null = 200,
    trigger: 'redeliver' | 'replay' | null = null,
  ): Promise<void> {
    await this.pool.query(
      `insert into dispatch.attempt (agent_event_id, change_id, attempt, attempted_at, latency_ms, outcome, http_status, error, response, trigger)
       values ($1, $2, $3, clock_timestamp(), 12, $4, $5, $6, 'body', $7)`,
      [agentEventId, changeId, attempt, outcome, status, status === null ? 'connection refused' : null, trigger],
    );
  }

  /** Has the agent event fall behind for the agent of a change, whose delivery is the head. */
  async fallBehind(
    agentEventId: number,
    headId: string,
    { attempts = 0, dueAt = '2099-01-01T00:00:00Z', blockedBy = null as string | null, blockedByEvent = null as number | null },
  ): Promise<void> {
    await this.pool.query(
      `insert into dispatch.behind
         (agent_event_id, client_id, agent_id, hash, next_sequence, attempts, due_at, head_change_id, head_expires_at, blocked_by, blocked_by_event)
       select $1, client_id, agent_id, 1, sequence, $3, $4, id, changed_at + interval '1 day', $5, $6
       from presence.status_change where id = $2`,
      [agentEventId, headId, attempts, blockedBy === null ? dueAt : null, blockedBy, blockedByEvent],
    );
  }

  /** Has a finished delivery sent again. */
  async sendAgain(agentEventId: number, changeId: string, attempts: number): Promise<void> {
    await this.pool.query(
      `insert into dispatch.redelivery (agent_event_id, change_id, client_id, agent_id, sequence, attempts, attempts_before, expires_at)
       select $1, id, client_id, agent_id, sequence, $3, 1, now() + interval '1 day' from presence.status_change where id = $2`,
      [agentEventId, changeId, attempts],
    );
  }
}

/** A UUIDv7 of a time, later than those made before at that time. */
function uuidv7At(at: Date): string {
  const time = at.getTime().toString(16).padStart(12, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}-${uuidv7().slice(14)}`;
}
