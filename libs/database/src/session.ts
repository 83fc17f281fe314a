import type { EventEmitter } from 'node:events';
import pg from 'pg';
import { SESSION_ID, SilenceWatch, type SessionId, type WatchedSession } from './silence-watch.js';

/** Longest that the server works on one statement of a service, in milliseconds. */
const STATEMENT_TIMEOUT_MS = 10_000;
/** Longest that the server waits for the next statement of a transaction, in milliseconds: a process that froze holds locks. */
const IDLE_IN_TRANSACTION_TIMEOUT_MS = 30_000;

/** What the statements of a session rely on beyond what every session has. */
export interface SessionNeeds {
  /** Every statement has an index to go by, whatever the statistics say: for a service whose tables fill and empty all day. */
  readonly alwaysByIndex?: boolean;
  /** Longest that one statement may take, in milliseconds; 0: no limit. */
  readonly statementTimeoutMs?: number;
  /** Longest that a statement waits for a lock, in milliseconds; 0: no limit of its own. */
  readonly lockTimeoutMs?: number;
}

/**
 * Writes the statement that sets what a session relies on, so that it does not matter what was set for the server, the database or
 * the role. It selects the session's id. Set after connecting and not with the connection, since PgBouncer refuses settings that
 * it does not know.
 *
 * Left as they are: `default_transaction_read_only`, which somebody sets for a reason, and stronger or weaker kinds of
 * `synchronous_commit` but for `off`, with which a success would be answered that a crash takes back.
 */
export function sessionSetup({ alwaysByIndex = false, statementTimeoutMs, lockTimeoutMs }: SessionNeeds): string {
  const settings: Readonly<Record<string, string | number>> = {
    // How values are written and read.
    datestyle: 'ISO',
    intervalstyle: 'postgres',
    timezone: 'UTC',
    extra_float_digits: 1,
    bytea_output: 'hex',
    standard_conforming_strings: 'on',
    array_nulls: 'on',
    transform_null_equals: 'off',
    // Where names are looked up; all but the table of migrations have their schema with them.
    search_path: 'public',
    // What a transaction sees, and how long things may take.
    default_transaction_isolation: 'read committed',
    default_transaction_deferrable: 'off',
    statement_timeout: statementTimeoutMs ?? STATEMENT_TIMEOUT_MS,
    lock_timeout: lockTimeoutMs ?? 0,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_TIMEOUT_MS,
    idle_session_timeout: 0,
    // Prices a random read like a sequential one: pages are nearly always in memory or on a solid-state disk. The default, 4, is for spinning disks.
    random_page_cost: 1.1,
    enable_seqscan: alwaysByIndex ? 'off' : 'on',
    plan_cache_mode: 'auto',
    // Statements take milliseconds; a plan that looks dear, as every one without an index does, would first be compiled for longer.
    jit: 'off',
  };
  const set = Object.entries(settings).map(([name, value]) => `set_config('${name}', '${value}', false)`);
  return `select ${SESSION_ID}, ${set.join(', ')},
    case when current_setting('synchronous_commit') = 'off' then set_config('synchronous_commit', 'on', false) end,
    case when current_setting('transaction_timeout', true) is not null then set_config('transaction_timeout', '0', false) end`;
}

/**
 * The server ends this session, or has broken off: a shutdown, a failover, a database that was dropped, an idle timeout; with
 * 25006 it refuses writes.
 */
const LOST = /^(08...|57P..|25006|25P0[345])$/;
const READ_ONLY = '25006';
/** Said by node-postgres when a server that vanished has said nothing for too long. */
const NO_ANSWER = 'Query read timeout';

function isLost(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code, message } = error as Error & { code?: unknown };
  return (typeof code === 'string' && LOST.test(code)) || message === NO_ANSWER;
}

/** Whether the server has moved, or gone without a word: the other sessions are likely to be with the old one too. */
function isMoved(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code, message } = error as Error & { code?: unknown };
  return code === READ_ONLY || message === NO_ANSWER;
}

/** Emitted by a connection that was told so. */
const MOVED = Symbol('moved');

/**
 * Longest that a connection may take to be made, in milliseconds. Where the server has moved meanwhile, the next try finds the
 * new one.
 */
const CONNECTING_MS = 3000;

/** A connection that closes itself when its session is of no more use. A pool closes it only where it was asked itself. */
export class SessionClient extends pg.Client implements WatchedSession {
  id: SessionId | undefined;
  waitingSince: number | undefined;

  constructor(config?: string | pg.ClientConfig) {
    super(config);
    this.on('drain', () => (this.waitingSince = undefined));
  }

  /** Connects as pg.Client does, whose many forms cannot be repeated here, and gives up after {@link CONNECTING_MS}. */
  override connect(...parameters: unknown[]): never {
    const limit = setTimeout(() => this.connection.stream.destroy(new Error('timeout expired')), CONNECTING_MS);
    for (const event of ['connect', 'end'] as const) this.once(event, () => clearTimeout(limit));
    return Reflect.apply(super.connect.bind(this), undefined, parameters) as never;
  }

  /**
   * Runs a query as pg.Client does, whose many forms cannot be repeated here. Notes since when its answer is waited for, and ends the
   * connection where its promise fails because the session is lost.
   */
  override query(...parameters: unknown[]): never {
    const answer: unknown = Reflect.apply(super.query.bind(this), undefined, parameters);
    this.waitingSince ??= performance.now();
    if (answer instanceof Promise) answer.catch((error: unknown) => this.leaveIfLost(error));
    return answer as never;
  }

  /** Breaks the connection off, as if the server had: what is waited for fails. */
  abandon(): void {
    this.connection.stream.destroy(new Error('Connection terminated: the server does not know of it any more'));
  }

  private leaveIfLost(error: unknown): void {
    if (!isLost(error)) return;
    if (isMoved(error)) this.emit(MOVED);
    void this.end();
  }
}

/** Least time between two clearings of a pool, in milliseconds: where every session refuses writes, reads go on meanwhile. */
const CLEARING_MS = 1000;

/**
 * A pool that leaves out sessions that were made before one of them was told that the server refuses writes, or got no answer:
 * the idle ones at once, the others when their work is done. Reads would never find out, and writes one by one. Sessions whose
 * answer will never come, and all those with a server that another one has taken the place of, are broken off.
 */
export class SessionPool extends pg.Pool {
  private readonly unused = new Set<SessionClient>();
  private readonly used = new Set<SessionClient>();
  private outdated = new WeakSet<SessionClient>();
  private clearedAt = -Infinity;

  constructor(options: pg.PoolConfig) {
    super({ ...options, Client: SessionClient });
    const silence = new SilenceWatch(options, this.used, (lost, server) => this.breakOff(lost, server));
    this.on('connect', (client: EventEmitter) => void client.on(MOVED, () => this.clear()));
    this.on('acquire', (client) => {
      this.unused.delete(sessionOf(client));
      this.used.add(sessionOf(client));
      silence.start();
    });
    this.on('release', (error, client) => {
      const session = sessionOf(client);
      this.used.delete(session);
      if (isMoved(error)) this.clear();
      // A pool does not keep a connection that is being closed.
      if (this.outdated.has(session)) void session.end();
      else this.unused.add(session);
    });
    this.on('remove', (client) => {
      this.unused.delete(sessionOf(client));
      this.used.delete(sessionOf(client));
    });
  }

  private clear(): void {
    if (performance.now() - this.clearedAt < CLEARING_MS) return;
    this.clearedAt = performance.now();
    this.outdated = new WeakSet(this.used);
    // As if the connection had broken: this is how a pool parts with one that nobody uses.
    for (const session of this.unused) session.emit('error', new Error('the database has moved'));
    this.unused.clear();
  }

  /** @param server the one that is at the address now */
  private breakOff(lost: readonly SessionClient[], server: string): void {
    const gone = [...this.used, ...this.unused].filter(({ id }) => id !== undefined && id.server !== server);
    this.clear();
    for (const session of new Set([...lost, ...gone])) session.abandon();
  }
}

/** The pool makes no others. */
function sessionOf(client: pg.PoolClient): SessionClient {
  return client as unknown as SessionClient;
}
