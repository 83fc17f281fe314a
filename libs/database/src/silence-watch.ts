import { setImmediate as turn } from 'node:timers/promises';
import pg from 'pg';

/** How often it is looked who waits for an answer, in milliseconds. */
const LOOK_MS = 250;
/** An answer that has been waited for this long, in milliseconds, is asked about. */
const SILENT_MS = 1000;
/** One that the server does not work on is not waited for any longer than this, in milliseconds. */
const LOST_MS = 2000;
/** Longest that a server may take to say what it works on, in milliseconds. */
const ASK_TIMEOUT_MS = 2000;

/** A session as its server knows it. */
export interface SessionId {
  /** When the server was started, in its own words: another one was not started at the same microsecond. */
  readonly server: string;
  readonly pid: number;
}

/** What the statement that sets a session up selects, to be {@link SessionId}. */
export const SESSION_ID = `pg_postmaster_start_time()::text as server, pg_backend_pid() as pid`;

/** A session whose answers are waited for. */
export interface WatchedSession {
  /** Undefined while it is not known. */
  readonly id: SessionId | undefined;
  /** Since when an answer is waited for, in milliseconds of `performance.now()`; undefined: none is. */
  readonly waitingSince: number | undefined;
}

/** What a server that was asked says. */
export interface ServerWord {
  readonly server: string;
  /** Those of the sessions asked for that work on a statement, or of which it does not tell. */
  readonly atWork: readonly number[];
}

/**
 * Tells whether an answer will never come: another server is at the address, or the server does not know of the statement, and had the
 * time to.
 */
export function isLost({ server, pid }: SessionId, waitingMs: number, word: ServerWord): boolean {
  return word.server !== server || (waitingMs >= LOST_MS && !word.atWork.includes(pid));
}

/**
 * Finds answers that will never come. A server that vanishes, or a way to it that drops everything, looks like one that is at
 * work for as long as statements may take. So one that is silent is asked about over a connection of its own.
 */
export class SilenceWatch<Session extends WatchedSession> {
  private timer: NodeJS.Timeout | undefined;
  private isAsking = false;
  /** Until then a session is known to be at work, in milliseconds of `performance.now()`. */
  private readonly atWorkUntil = new WeakMap<Session, number>();

  /**
   * @param connection how the server is reached
   * @param sessions those that may wait for an answer now
   * @param onLost takes sessions whose answers will never come, and the server that is there now
   */
  constructor(
    private readonly connection: pg.ClientConfig,
    private readonly sessions: ReadonlySet<Session>,
    private readonly onLost: (lost: readonly Session[], server: string) => void,
  ) {}

  /** Looks for as long as there are sessions. */
  start(): void {
    this.timer ??= setInterval(() => this.look(), LOOK_MS).unref();
  }

  private look(): void {
    if (this.sessions.size === 0) {
      clearInterval(this.timer);
      this.timer = undefined;
      return;
    }
    if (this.isAsking) return;
    const now = performance.now();
    const silent = [...this.sessions].filter(
      (session) => session.id && waitingMs(session, now) >= SILENT_MS && now >= (this.atWorkUntil.get(session) ?? 0),
    );
    if (silent.length === 0) return;
    this.isAsking = true;
    void this.judge(silent).finally(() => (this.isAsking = false));
  }

  private async judge(silent: readonly Session[]): Promise<void> {
    const asked = silent.map((session) => ({ session, id: session.id!, since: session.waitingSince }));
    const word = await this.ask(asked.map(({ id }) => id.pid));
    // Who says nothing says nothing of a statement either: asked again, until one answers, or the statement's own time is over.
    if (!word) return;
    await turn(); // an answer that came together with this one is taken first
    const now = performance.now();
    const still = asked.filter(({ session, since }) => session.waitingSince === since);
    const lost = still.filter(({ session, id }) => isLost(id, waitingMs(session, now), word)).map(({ session }) => session);
    // The longer it has been at work, the rarer it is asked about.
    for (const { session, id } of still)
      if (word.atWork.includes(id.pid)) this.atWorkUntil.set(session, now + waitingMs(session, now));
    if (lost.length > 0) this.onLost(lost, word.server);
  }

  /** @returns undefined: no answer */
  private async ask(pids: readonly number[]): Promise<ServerWord | undefined> {
    const client = new pg.Client({
      ...this.connection,
      connectionTimeoutMillis: ASK_TIMEOUT_MS,
      query_timeout: ASK_TIMEOUT_MS,
    });
    client.on('error', () => undefined); // the statement fails as well
    try {
      await client.connect();
      const { rows } = await client.query<ServerWord>(
        `select pg_postmaster_start_time()::text as server,
           array(select pid from pg_stat_activity where pid = any ($1::integer[]) and coalesce(state, '') not like 'idle%') as "atWork"`,
        [pids],
      );
      return rows[0];
    } catch {
      return undefined; // whoever waits for the database, or connects to it, has the same trouble, and tells
    } finally {
      client.connection.stream.destroy(); // a goodbye would wait for a server that may be gone
    }
  }
}

function waitingMs({ waitingSince }: WatchedSession, now: number): number {
  return waitingSince === undefined ? 0 : now - waitingSince;
}
