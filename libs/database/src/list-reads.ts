import type pg from 'pg';
import { Counter, type Registry } from 'prom-client';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '#runtime';
import { explainDatabaseError } from './database-error.js';

/** Longest that the replica may take to say how far it is, in milliseconds: a server that vanished says nothing at all. */
const ASK_TIMEOUT_MS = 1000;
/** Until a replica that is as far as the primary was is asked again, in milliseconds; the sum is the longest that a read waits for it. */
const CATCH_UP_MS = [2, 5, 10, 20, 40, 80, 160] as const;
/** A replica that cannot be used is left alone for so long, in milliseconds, so that reads do not wait for it one by one. */
const LEFT_ALONE_MS = { behind: 1000, away: 5000 } as const;
/** The server gave a statement up that took too long: another server would too. */
const QUERY_CANCELED = '57014';

/** Which database the primary is, and how far what it has committed goes. */
const PLACE = `
  select pg_current_wal_flush_lsn()::text as position, (select system_identifier from pg_control_system())::text as system,
    current_database() as database, left(pg_walfile_name(pg_current_wal_flush_lsn()), 8) as timeline`;

/** Whether a server is a copy of that place: a standby that has come as far, or the same server. */
const IS_AS_FAR = `
  select (select system_identifier from pg_control_system())::text = $2 and current_database() = $3 as is_copy,
    case when pg_is_in_recovery() then pg_last_wal_replay_lsn() >= $1::pg_lsn
         else pg_current_wal_flush_lsn() >= $1::pg_lsn and left(pg_walfile_name(pg_current_wal_flush_lsn()), 8) = $4 end as is_as_far`;

interface Place {
  readonly position: string;
  readonly system: string;
  readonly database: string;
  readonly timeline: string;
}

/**
 * Reads of lists, which a replica may answer. It does so only once it is as far as the primary was when the read began, so that
 * everybody finds what they wrote before; otherwise, and where it cannot be used, the primary answers.
 */
export class ListReads {
  private leftAloneUntil = -Infinity;
  private isUsable: boolean | undefined;
  private readonly reads: Counter<'server'>;

  /** @param replica undefined: the primary answers everything */
  constructor(
    private readonly primary: pg.Pool,
    private readonly replica: pg.Pool | undefined,
    private readonly logger: Logger,
    metrics: Registry,
  ) {
    this.reads = new Counter({
      name: 'rollcall_list_reads_total',
      help: 'Reads of lists, by the server that answered: primary, or replica (DATABASE_READ_URL)',
      labelNames: ['server'],
      registers: [metrics],
    });
  }

  /** @throws Error as the primary does; of the replica's only that a statement took too long */
  async query<Row extends object>(text: string, values: unknown[] = []): Promise<Row[]> {
    const rows = await this.readReplica<Row>(text, values);
    this.reads.inc({ server: rows ? 'replica' : 'primary' });
    return rows ?? (await this.primary.query<Row>(text, values)).rows;
  }

  /** @returns undefined: it cannot be used now */
  private async readReplica<Row extends object>(text: string, values: unknown[]): Promise<Row[] | undefined> {
    if (!this.replica || performance.now() < this.leftAloneUntil) return undefined;
    const { rows } = await this.primary.query<Place>(PLACE);
    let client: pg.PoolClient | undefined;
    let failure: Error | undefined;
    try {
      client = await this.replica.connect();
      const refusal = await waitUntilAsFar(client, rows[0]!);
      if (refusal !== undefined) {
        this.leaveAlone(LEFT_ALONE_MS.behind, refusal);
        return undefined;
      }
      const found = await client.query<Row>(text, values);
      if (this.isUsable !== true) this.logger.info('database.replica_used');
      this.isUsable = true;
      return found.rows;
    } catch (error) {
      failure = error as Error;
      if ((error as { code?: unknown }).code === QUERY_CANCELED) throw error;
      this.leaveAlone(LEFT_ALONE_MS.away, explainDatabaseError(error));
      return undefined;
    } finally {
      client?.release(failure);
    }
  }

  private leaveAlone(ms: number, reason: string): void {
    this.leftAloneUntil = performance.now() + ms;
    if (this.isUsable !== false) this.logger.warn({ reason }, 'database.replica_not_used');
    this.isUsable = false;
  }
}

/**
 * Looks whether a replica could answer in the place of the primary now.
 *
 * @returns why not, in words; undefined: it could
 * @throws the driver's error where one of them cannot be asked
 */
export async function whyReplicaIsUnusable(primary: pg.Pool, replica: pg.Pool): Promise<string | undefined> {
  const { rows } = await primary.query<Place>(PLACE);
  const client = await replica.connect();
  try {
    return await waitUntilAsFar(client, rows[0]!);
  } finally {
    client.release();
  }
}

/** @returns why the server behind a connection cannot answer in the place of the primary; undefined: it can */
async function waitUntilAsFar(client: pg.PoolClient, place: Place): Promise<string | undefined> {
  const asked = { text: IS_AS_FAR, values: [place.position, place.system, place.database, place.timeline] };
  for (let look = 0; ; look++) {
    const question: pg.QueryConfig & { query_timeout: number } = { ...asked, query_timeout: ASK_TIMEOUT_MS };
    const { rows } = await client.query<{ is_copy: boolean; is_as_far: boolean }>(question);
    if (!rows[0]!.is_copy) return 'DATABASE_READ_URL is no copy of the database of DATABASE_URL';
    if (rows[0]!.is_as_far) return undefined;
    const waitMs = CATCH_UP_MS[look];
    if (waitMs === undefined) return 'the replica is behind the primary';
    await delay(waitMs);
  }
}
