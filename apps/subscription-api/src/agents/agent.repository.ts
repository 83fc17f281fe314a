import { Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import type { AgentKey, AgentStatus, AgentType, EventSource } from '#contracts';
import { ListReads } from '#database';
import type { AgentRef } from '../http/path-params.js';
import { containing, idsBeginning } from '../http/search.js';
import { type AgentView, agentViewOf } from './agent.schema.js';

interface AgentRow {
  readonly agent_id: number;
  readonly agent_type: AgentType;
  readonly name: string;
  readonly agent_status: AgentStatus;
  readonly status_since: Date;
  readonly sequence: number;
}

/** What agents are searched by; absent: any. */
export interface AgentFilter {
  /** Part of the name, or the beginning of the id. */
  readonly q?: string | undefined;
  readonly status?: AgentStatus | undefined;
  readonly agentType?: AgentType | undefined;
}

/** How many agents there are of a type and status. */
export interface AgentCount {
  readonly agentType: AgentType;
  readonly agentStatus: AgentStatus;
  readonly count: number;
}

/** An agent that is, or was, in the directory. */
export interface AgentEver {
  readonly view: AgentView;
  /** When it was first seen. */
  readonly createdAt: Date;
  readonly removedAt: Date | undefined;
}

/** The last telemetry of an agent: presence.last_report. */
export interface LastReportRow {
  readonly agent_type: AgentType;
  readonly agent_status: AgentStatus;
  readonly event_source: EventSource;
  /** Null: it did not say. */
  readonly occurred_at: Date | null;
  readonly reported_at: Date;
  readonly result: 'changed' | 'unchanged' | 'stale' | 'rejected';
  /** Reports since the last change, which one instance has seen. */
  readonly since_change: number;
}

const COLUMNS = 'agent_id, agent_type, name, agent_status, coalesce(changed_at, created_at) as status_since, sequence';

/** Reads presence's agents; changes go through functions of its schema. */
@Injectable()
export class AgentRepository {
  constructor(
    private readonly dataSource: DataSource,
    private readonly reads: ListReads,
  ) {}

  async find({ clientId, agentType, agentId }: AgentRef): Promise<AgentView | undefined> {
    const rows: AgentRow[] = await this.dataSource.query(
      `select ${COLUMNS} from presence.agent
       where client_id = $1 and agent_id = $2 and agent_type = $3 and deleted_at is null`,
      [clientId, agentId, agentType],
    );
    return rows[0] && viewOfRow(rows[0]);
  }

  /** Finds an agent that is, or was, in the directory. */
  async findEver({ clientId, agentType, agentId }: AgentRef): Promise<AgentEver | undefined> {
    const rows: (AgentRow & { created_at: Date; deleted_at: Date | null })[] = await this.dataSource.query(
      `select ${COLUMNS}, created_at, deleted_at from presence.agent where client_id = $1 and agent_id = $2 and agent_type = $3`,
      [clientId, agentId, agentType],
    );
    return rows[0] && { view: viewOfRow(rows[0]), createdAt: rows[0].created_at, removedAt: rows[0].deleted_at ?? undefined };
  }

  /** Finds the last recorded telemetry of an agent, up to a time. */
  async lastReport({ clientId, agentId }: AgentKey, until: Date): Promise<LastReportRow | undefined> {
    const rows: LastReportRow[] = await this.dataSource.query(
      `select agent_type, agent_status, event_source, occurred_at, reported_at, result, since_change from presence.last_report
       where client_id = $1 and agent_id = $2 and reported_at <= $3`,
      [clientId, agentId, until],
    );
    return rows[0];
  }

  /** @param agentType undefined: of both types */
  async list(
    clientId: number,
    agentType: AgentType | undefined,
    skip: number,
    take: number,
    manager: EntityManager = this.dataSource.manager,
  ): Promise<AgentView[]> {
    const rows: AgentRow[] = await manager.query(
      `select ${COLUMNS} from presence.agent
       where client_id = $1 and ($2::text is null or agent_type = $2) and deleted_at is null
       order by agent_id offset $3 limit $4`,
      [clientId, agentType ?? null, skip, take],
    );
    return rows.map(viewOfRow);
  }

  async search(clientId: number, { q, status, agentType }: AgentFilter, skip: number, take: number): Promise<AgentView[]> {
    const rows = await this.reads.query<AgentRow>(
      `select ${COLUMNS} from presence.agent
       where client_id = $1 and ($2::text is null or agent_type = $2) and ($3::text is null or agent_status = $3)
         and ($4::text[] is null or name ilike any ($4) or agent_id::text like $5) and deleted_at is null
       order by agent_id offset $6 limit $7`,
      [clientId, agentType ?? null, status ?? null, containing(q), idsBeginning(q), skip, take],
    );
    return rows.map(viewOfRow);
  }

  /** Counts a client's agents by type and status; combinations without agents are left out. */
  async count(clientId: number, manager: EntityManager): Promise<AgentCount[]> {
    return manager.query(
      `select agent_type as "agentType", agent_status as "agentStatus", count(*) as count
       from presence.agent where client_id = $1 and deleted_at is null group by agent_type, agent_status`,
      [clientId],
    );
  }

  /** @returns false when the id belongs to an agent of the other type */
  async put({ clientId, agentType, agentId }: AgentRef, name: string): Promise<boolean> {
    const rows: { put: boolean }[] = await this.dataSource.query('select presence.put_agent($1, $2, $3, $4) as put', [
      clientId,
      agentType,
      agentId,
      name,
    ]);
    return rows[0]!.put;
  }

  /**
   * Removes an agent, logging it out first where it is available.
   *
   * @param changeId UUIDv7 of that change
   * @returns the last sequence that is notified; undefined: no such agent
   */
  async remove(
    { clientId, agentType, agentId }: AgentRef,
    changeId: string,
    manager: EntityManager,
  ): Promise<number | undefined> {
    const rows: { sequence: number | null }[] = await manager.query('select presence.remove_agent($1, $2, $3, $4) as sequence', [
      clientId,
      agentType,
      agentId,
      changeId,
    ]);
    return rows[0]!.sequence ?? undefined;
  }
}

function viewOfRow(row: AgentRow): AgentView {
  return agentViewOf({
    id: row.agent_id,
    agentType: row.agent_type,
    name: row.name,
    agentStatus: row.agent_status,
    statusSince: row.status_since,
    sequence: row.sequence,
  });
}
