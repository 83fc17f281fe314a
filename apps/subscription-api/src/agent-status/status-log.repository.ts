import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import type { StatusChange } from '#contracts';
import type { OpenTransactions } from './high-water-mark.js';

/** A change and its place in the log. */
export interface LoggedChange extends StatusChange {
  readonly position: number;
}

export interface LogFilter {
  readonly agentId?: number | undefined;
  /** Changes that were made then or later. */
  readonly since?: Date | undefined;
  /** Positions above it. */
  readonly after: number;
  /** Positions up to it. */
  readonly upTo: number;
}

interface ChangeRow {
  readonly id: string;
  readonly position: number;
  readonly client_id: number;
  readonly agent_id: number;
  readonly agent_type: StatusChange['agentType'];
  readonly name: string;
  readonly agent_status: StatusChange['agentStatus'];
  readonly event_source: StatusChange['eventSource'];
  readonly sequence: number;
  readonly occurred_at: Date;
  readonly changed_at: Date;
}

const COLUMNS =
  'id, position, client_id, agent_id, agent_type, name, agent_status, event_source, sequence, occurred_at, changed_at';

/** The log of status changes, which presence writes. */
@Injectable()
export class StatusLogRepository {
  constructor(private readonly dataSource: DataSource) {}

  async read(clientId: number, { agentId, since, after, upTo }: LogFilter, limit: number): Promise<LoggedChange[]> {
    const rows: ChangeRow[] = await this.dataSource.query(
      // The span of ids (a little wider than that of changed_at) leaves out the partitions of other days.
      `select ${COLUMNS} from presence.status_change
       where client_id = $1 and ($2::bigint is null or agent_id = $2) and position > $3 and position <= $4
         and ($5::timestamptz is null or (changed_at >= $5 and id >= presence.uuid_v7_floor($5 - interval '1 hour')))
       order by position limit $6`,
      [clientId, agentId ?? null, after, upTo, since ?? null, limit],
    );
    return rows.map(changeOf);
  }

  /** The agent's last change up to a time. */
  async lastAt(clientId: number, agentId: number, at: Date): Promise<LoggedChange | undefined> {
    const rows: ChangeRow[] = await this.dataSource.query(
      `select ${COLUMNS} from presence.status_change
       where client_id = $1 and agent_id = $2 and changed_at <= $3 order by position desc limit 1`,
      [clientId, agentId, at],
    );
    return rows[0] && changeOf(rows[0]);
  }

  async findByIds(ids: readonly string[]): Promise<LoggedChange[]> {
    const rows: ChangeRow[] = await this.dataSource.query(`select ${COLUMNS} from presence.status_change where id = any ($1)`, [
      ids,
    ]);
    return rows.map(changeOf);
  }

  /** The last position of half a minute ago: no writer's statement takes that long, so all that is not there yet is above it. */
  async settledPosition(): Promise<number> {
    const rows: { position: number }[] = await this.dataSource.query(
      `select position from presence.status_change
       where id < presence.uuid_v7_floor(now() - interval '30 seconds') order by id desc limit 1`,
    );
    return rows[0]?.position ?? 0;
  }

  /** Positions above one, of every client, and which transactions were open in the same snapshot. */
  async readPositions(
    after: number,
    limit: number,
  ): Promise<{ readonly rows: readonly { position: number; client_id: number }[]; readonly open: OpenTransactions }> {
    // Recent ids only: the mark is never older than that, and other days' partitions are left out.
    const rows: { position: number; client_id: number; xmin: string; xmax: string }[] = await this.dataSource.query(
      `select position, client_id, pg_snapshot_xmin(pg_current_snapshot())::text as xmin, pg_snapshot_xmax(pg_current_snapshot())::text as xmax
       from presence.status_change
       where position > $1 and id >= presence.uuid_v7_floor(now() - interval '1 hour')
       order by position limit $2`,
      [after, limit],
    );
    return { rows, open: { xmin: BigInt(rows[0]?.xmin ?? 0), xmax: BigInt(rows[0]?.xmax ?? 0) } };
  }
}

function changeOf(row: ChangeRow): LoggedChange {
  return {
    id: row.id,
    position: row.position,
    clientId: row.client_id,
    agentId: row.agent_id,
    agentType: row.agent_type,
    name: row.name,
    agentStatus: row.agent_status,
    eventSource: row.event_source,
    sequence: row.sequence,
    occurredAt: row.occurred_at,
    changedAt: row.changed_at,
  };
}
