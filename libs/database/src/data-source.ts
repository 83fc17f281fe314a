import pg from 'pg';
import { DataSource } from 'typeorm';
import { Access1764000000001 } from './migrations/1764000000001-access.js';
import { Subscription1764000000002 } from './migrations/1764000000002-subscription.js';
import { Presence1764000000003 } from './migrations/1764000000003-presence.js';
import { Dispatch1764000000004 } from './migrations/1764000000004-dispatch.js';
import { DispatchCommands1764000000005 } from './migrations/1764000000005-dispatch-commands.js';
import { Roles1764000000006 } from './migrations/1764000000006-roles.js';
import { ApplicationRotation1764000000007 } from './migrations/1764000000007-application-rotation.js';
import { SigningKeyRotation1764000000008 } from './migrations/1764000000008-signing-key-rotation.js';
import { RequestCount1764000000009 } from './migrations/1764000000009-request-count.js';
import { DispatchRows1764000000010 } from './migrations/1764000000010-dispatch-rows.js';
import { DispatchCursor1764000000011 } from './migrations/1764000000011-dispatch-cursor.js';
import { RecentWrite1764000000012 } from './migrations/1764000000012-recent-write.js';
import { FinishedEvents1764000000013 } from './migrations/1764000000013-finished-events.js';
import { TelemetryPosition1764000000014 } from './migrations/1764000000014-telemetry-position.js';
import { DirectoryChange1764000000016 } from './migrations/1764000000016-directory-change.js';
import { LogSweep1764000000018 } from './migrations/1764000000018-log-sweep.js';

/** Every migration, in order. Add new ones at the end: CONTRIBUTING.md. */
export const MIGRATIONS = [
  Access1764000000001,
  Subscription1764000000002,
  Presence1764000000003,
  Dispatch1764000000004,
  DispatchCommands1764000000005,
  Roles1764000000006,
  ApplicationRotation1764000000007,
  SigningKeyRotation1764000000008,
  RequestCount1764000000009,
  DispatchRows1764000000010,
  DispatchCursor1764000000011,
  RecentWrite1764000000012,
  FinishedEvents1764000000013,
  TelemetryPosition1764000000014,
  DirectoryChange1764000000016,
  LogSweep1764000000018,
];

/** Longest that the server works on one statement, in milliseconds. */
const STATEMENT_TIMEOUT_MS = 10_000;
/** Longest that we wait for an answer, in milliseconds: a server that vanished says nothing at all. */
const QUERY_TIMEOUT_MS = 15_000;
const CONNECT_TIMEOUT_MS = 5000;
/**
 * How long a connection that nobody needs is kept, in milliseconds. Long, since whoever needs a new one waits tens of
 * milliseconds: for the server's process, the password, and plans that each connection makes for itself.
 */
const IDLE_TIMEOUT_MS = 600_000;

/** Ids, sequences and positions stay far below 2^53. Lanes do not: select them as text. */
const types: pg.CustomTypesConfig = {
  getTypeParser: (oid, format) =>
    oid === pg.types.builtins.INT8 && format !== 'binary' ? Number : (pg.types.getTypeParser(oid, format) as unknown),
};

export interface DatabaseOptions {
  /** `postgresql://…` */
  readonly url: string;
  /** Shown in `pg_stat_activity`, so that an operator sees whose connection it is. */
  readonly applicationName: string;
  /** Most connections of this service. */
  readonly poolSize: number;
  /** Every statement has an index to go by, whatever the statistics say: for a service whose tables fill and empty all day. */
  readonly alwaysByIndex?: boolean;
}

// What is asked for is nearly always in memory, or on a disk without a head to move; PostgreSQL's default is for one with.
const PLANNER = '-c random_page_cost=1.1';

/** A data source that is not yet connected; entities are those of the service that asks. */
export function createDataSource(
  options: DatabaseOptions,
  entities: NonNullable<DataSource['options']['entities']> = [],
): DataSource {
  return new DataSource({
    type: 'postgres',
    url: options.url,
    applicationName: options.applicationName,
    poolSize: options.poolSize,
    entities,
    migrations: MIGRATIONS,
    migrationsTableName: 'rollcall_migration',
    extra: {
      types,
      keepAlive: true,
      statement_timeout: STATEMENT_TIMEOUT_MS,
      query_timeout: QUERY_TIMEOUT_MS,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      idleTimeoutMillis: IDLE_TIMEOUT_MS,
      onConnect: ignoreErrorEvents,
      options: options.alwaysByIndex ? `${PLANNER} -c enable_seqscan=off` : PLANNER,
    },
  });
}

/**
 * A connection that breaks between two owners (just made by the pool, not yet taken over by TypeORM) has no listener, and
 * an error event without one ends the process. Whoever uses the connection gets the error from its statement anyway.
 */
function ignoreErrorEvents(client: pg.Client): void {
  client.on('error', () => undefined);
}

/** The pg pool under a data source, for the hand-written statements of the hot path. */
export function poolOf(dataSource: DataSource): pg.Pool {
  return (dataSource.driver as unknown as { master: pg.Pool }).master;
}
