import { Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import type { AgentStatus, AgentType, LoggedChange, UndoneSpan } from '#contracts';
import { ListReads, statusChangeColumns } from '#database';
import type { LogBounds } from './cursor.js';
import type { OpenTransactions } from './high-water-mark.js';

export const DIRECTORY_CHANGES = ['created', 'renamed', 'removed'] as const;
/** What became of an agent's entry in the directory. */
export type DirectoryChangeKind = (typeof DIRECTORY_CHANGES)[number];

/** A change of the directory and its place in the log, with the agent as it was then. */
export interface DirectoryChange {
  readonly position: number;
  readonly kind: DirectoryChangeKind;
  readonly agentId: number;
  readonly agentType: AgentType;
  readonly name: string;
  readonly agentStatus: AgentStatus;
  readonly statusSince: Date;
  readonly sequence: number;
}

export type LogEntry = { readonly position: number } & (
  { readonly status: LoggedChange } | { readonly directory: DirectoryChange }
);

/** Positions above `after`, up to `upTo`. */
export interface Span {
  readonly after: number;
  readonly upTo: number;
}

export interface HistoryFilter extends Span {
  readonly agentId?: number | undefined;
  readonly agentType?: AgentType | undefined;
  /** Changes that were made then or later. */
  readonly since?: Date | undefined;
  /** Changes that were made before. */
  readonly until?: Date | undefined;
  readonly order: 'asc' | 'desc';
}

/** What was seen of the log's end, of every client, in one snapshot. */
export interface LogTail {
  /** Ascending. */
  readonly positions: readonly number[];
  /** Whose they are, at the same places. */
  readonly clientIds: readonly number[];
  readonly open: OpenTransactions;
  /** The last position that the database has given out. */
  readonly lastGivenOut: number;
}

/** A status change, or a change of the directory, which lacks some of the columns. */
type EntryRow = LoggedChange &
  (
    | { readonly directory_change: null; readonly status_since: null }
    | { readonly directory_change: DirectoryChangeKind; readonly status_since: Date }
  );

/** Of `presence.status_change s`, whose rows are then {@link LoggedChange}s. */
const COLUMNS = `s.position, ${statusChangeColumns('s')}`;

/** Nobody else's statement sees it; a sequence that nothing was taken from yet says 1. */
const LAST_GIVEN_OUT =
  '(select case when is_called then last_value else 0 end from presence.status_change_position) as last_given_out';

/** Reads the logs of status changes and of the directory, which presence writes. */
@Injectable()
export class StatusLogRepository {
  constructor(
    private readonly dataSource: DataSource,
    private readonly reads: ListReads,
  ) {}

  /** Reads the status changes of a client. */
  async readHistory(clientId: number, filter: HistoryFilter, limit: number): Promise<LoggedChange[]> {
    const { agentId, agentType, since, until, after, upTo, order } = filter;
    return this.reads.query<LoggedChange>(
      // The span of ids (a little wider than that of changed_at) leaves out the partitions of other days.
      `select ${COLUMNS} from presence.status_change s
       where client_id = $1 and ($2::bigint is null or agent_id = $2) and ($3::text is null or agent_type = $3)
         and position > $4 and position <= $5
         and ($6::timestamptz is null or (changed_at >= $6 and id >= presence.uuid_v7_floor($6 - interval '1 hour')))
         and ($7::timestamptz is null or (changed_at < $7 and id < presence.uuid_v7_floor($7 + interval '1 hour')))
       order by position ${order} limit $8`,
      [clientId, agentId ?? null, agentType ?? null, after, upTo, since ?? null, until ?? null, limit],
    );
  }

  /**
   * Reads a client's status changes and directory changes, in order.
   *
   * @param sinceMs how long ago the first of them can have been written at most, in milliseconds; undefined: in no known time
   */
  async readEntries(clientId: number, { after, upTo }: Span, sinceMs: number | undefined, limit: number): Promise<LogEntry[]> {
    const rows: EntryRow[] = await this.dataSource.query(
      `select * from (
         (select ${COLUMNS}, null as directory_change, null as status_since from presence.status_change s
          where client_id = $1 and position > $2 and position <= $3
            and ($5::float8 is null or id >= presence.uuid_v7_floor(now() - make_interval(secs => $5 / 1000)))
          order by position limit $4)
         union all
         (select position, null, client_id, agent_id, agent_type, name, agent_status, null, sequence, null, null, null, change, status_since
          from presence.directory_change
          where client_id = $1 and position > $2 and position <= $3
          order by position limit $4)
       ) entry order by position limit $4`,
      [clientId, after, upTo, limit, sinceMs ?? null],
    );
    return rows.map(entryOf);
  }

  /** Finds the agent's last change up to a time. */
  async lastAt(clientId: number, agentId: number, at: Date): Promise<LoggedChange | undefined> {
    const rows: LoggedChange[] = await this.dataSource.query(
      `select ${COLUMNS} from presence.status_change s
       where client_id = $1 and agent_id = $2 and changed_at <= $3 order by position desc limit 1`,
      [clientId, agentId, at],
    );
    return rows[0];
  }

  /** Finds the agent's first change after a time. */
  async firstAfter(clientId: number, agentId: number, at: Date): Promise<LoggedChange | undefined> {
    const rows: LoggedChange[] = await this.dataSource.query(
      `select ${COLUMNS} from presence.status_change s
       where client_id = $1 and agent_id = $2 and changed_at > $3 order by position limit 1`,
      [clientId, agentId, at],
    );
    return rows[0];
  }

  /** Returns the start of the oldest day of status changes that is kept. */
  async keptSince(): Promise<Date> {
    const rows: { kept_since: Date }[] = await this.dataSource.query(
      `select coalesce(min(to_date(right(c.relname, 8), 'YYYYMMDD'))::timestamp at time zone 'utc', now()) as kept_since
       from pg_inherits i join pg_class c on c.oid = i.inhrelid
       where i.inhparent = 'presence.status_change'::regclass and c.relname ~ '_[0-9]{8}$'`,
    );
    return rows[0]!.kept_since;
  }

  /**
   * Returns the last position of half a minute ago. No writer's statement takes that long, so whatever is not visible yet is
   * above it.
   */
  async settledPosition(): Promise<number> {
    const rows: { position: number }[] = await this.dataSource.query(
      `select greatest(
         (select position from presence.status_change
          where id < presence.uuid_v7_floor(now() - interval '30 seconds') order by id desc limit 1),
         (select position from (select position, changed_at from presence.directory_change order by position desc limit 1) last
          where changed_at < now() - interval '30 seconds'),
         0) as position`,
    );
    return rows[0]!.position;
  }

  /** Reads the positions above one, of every client, and the transactions that were open in the same snapshot. */
  async readTail(after: number, limit: number, manager: EntityManager = this.dataSource.manager): Promise<LogTail> {
    const rows: {
      positions: number[] | null;
      client_ids: number[] | null;
      xmin: string;
      xmax: string;
      last_given_out: number;
    }[] = await manager.query(
      // Recent ids only: the mark is never older than that, and other days' partitions are left out.
      `select json_agg(position order by position) as positions, json_agg(client_id order by position) as client_ids,
         pg_snapshot_xmin(pg_current_snapshot())::text as xmin, pg_snapshot_xmax(pg_current_snapshot())::text as xmax,
         ${LAST_GIVEN_OUT}
       from (
         select * from (
           (select position, client_id from presence.status_change
            where position > $1 and id >= presence.uuid_v7_floor(now() - interval '1 hour') order by position limit $2)
           union all
           (select position, client_id from presence.directory_change where position > $1 order by position limit $2)
         ) both_logs
         order by position limit $2
       ) tail`,
      [after, limit],
    );
    const { positions, client_ids, xmin, xmax, last_given_out } = rows[0]!;
    return {
      positions: positions ?? [],
      clientIds: client_ids ?? [],
      open: { xmin: BigInt(xmin), xmax: BigInt(xmax) },
      lastGivenOut: last_given_out,
    };
  }

  /** Reads which part of the logs is kept, and the last position given out. */
  async readBounds(): Promise<LogBounds> {
    const rows: {
      last_given_out: number;
      oldest_status: number | null;
      oldest_directory: number | null;
      newest_directory: number | null;
      undone: UndoneSpan[] | null;
    }[] = await this.dataSource.query(
      // Ids are nearly in the order of positions.
      `select ${LAST_GIVEN_OUT},
         (select min(position) from (select position from presence.status_change order by id limit 100) first) as oldest_status,
         (select min(position) from presence.directory_change) as oldest_directory,
         (select max(position) from presence.directory_change) as newest_directory,
         (select json_agg(json_build_object('after', after_position, 'until', until_position)) from presence.restore) as undone`,
    );
    const { last_given_out, oldest_status, oldest_directory, newest_directory, undone } = rows[0]!;
    return {
      lastGivenOut: last_given_out,
      oldestStatus: oldest_status ?? undefined,
      oldestDirectory: oldest_directory ?? undefined,
      newestDirectory: newest_directory ?? undefined,
      undone: undone ?? [],
    };
  }

  /** Counts the directory changes in a span, of every client. */
  async countDirectoryChanges({ after, upTo }: Span): Promise<number> {
    const rows: { count: number }[] = await this.dataSource.query(
      'select count(*) as count from presence.directory_change where position > $1 and position <= $2',
      [after, upTo],
    );
    return rows[0]!.count;
  }
}

function entryOf(row: EntryRow): LogEntry {
  const { position, directory_change: kind, status_since: statusSince } = row;
  if (kind === null) return { position, status: row };
  const { agentId, agentType, name, agentStatus, sequence } = row;
  return { position, directory: { position, kind, agentId, agentType, name, agentStatus, statusSince, sequence } };
}
