import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import type { ReplaySpan } from './replay.schema.js';

export interface ReplayRow {
  readonly id: number;
  readonly status: 'running' | 'finished' | 'cancelled';
  readonly total: number;
  readonly delivered: number;
  readonly failed: number;
  readonly created_at: Date;
}

export interface ReplayCount {
  readonly count: number;
  readonly first: Date | null;
  readonly last: Date | null;
}

const COLUMNS = 'id, status, total, delivered, failed, created_at';
/** Arguments of the dispatcher's functions. What changes after the question is not part of the answer. */
const SPAN = `$1, $2, least($3::timestamptz, now()), $4`;

/** Reads the dispatcher's replays; starting and cancelling go through functions of its schema. */
@Injectable()
export class ReplayRepository {
  constructor(private readonly dataSource: DataSource) {}

  async count(agentEventId: number, span: ReplaySpan): Promise<ReplayCount> {
    const rows: ReplayCount[] = await this.dataSource.query(
      `select count, first, last from dispatch.count_replay(${SPAN})`,
      argumentsOf(agentEventId, span),
    );
    return rows[0]!;
  }

  /** @param windowMs of retries, from now */
  async start(agentEventId: number, span: ReplaySpan, windowMs: number): Promise<ReplayRow> {
    const rows: ReplayRow[] = await this.dataSource.query(
      `select ${COLUMNS} from dispatch.start_replay(${SPAN}, $5 * interval '1 ms')`,
      [...argumentsOf(agentEventId, span), windowMs],
    );
    return rows[0]!;
  }

  list(agentEventId: number, skip: number, take: number): Promise<ReplayRow[]> {
    return this.dataSource.query(
      `select ${COLUMNS} from dispatch.replay where agent_event_id = $1 order by id offset $2 limit $3`,
      [agentEventId, skip, take],
    );
  }

  async find(agentEventId: number, id: number): Promise<ReplayRow | undefined> {
    const rows: ReplayRow[] = await this.dataSource.query(
      `select ${COLUMNS} from dispatch.replay where agent_event_id = $1 and id = $2`,
      [agentEventId, id],
    );
    return rows[0];
  }

  async cancel(id: number): Promise<void> {
    await this.dataSource.query('select dispatch.cancel_replay($1)', [id]);
  }
}

function argumentsOf(agentEventId: number, { since, until, only }: ReplaySpan): unknown[] {
  return [agentEventId, since, until ?? null, only === 'failed'];
}
