import pg from 'pg';
import { DataSource, type Logger, type MigrationInterface } from 'typeorm';
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
import { Operation1764000000017 } from './migrations/1764000000017-operation.js';
import { LogSweep1764000000018 } from './migrations/1764000000018-log-sweep.js';
import { MovedLease1764000000019 } from './migrations/1764000000019-moved-lease.js';
import { Behind1764000000020 } from './migrations/1764000000020-behind.js';
import { SentAgain1764000000021 } from './migrations/1764000000021-sent-again.js';
import { Series1764000000022 } from './migrations/1764000000022-series.js';
import { FormerTypes1764000000023 } from './migrations/1764000000023-former-types.js';
import { ListIndexes1764000000025 } from './migrations/1764000000025-list-indexes.js';
import { Notices1764000000026 } from './migrations/1764000000026-notices.js';
import { ClientRemoval1764000000027 } from './migrations/1764000000027-client-removal.js';
import { Restores1764000000028 } from './migrations/1764000000028-restores.js';
import { ValidChecks1764000000030 } from './migrations/1764000000030-valid-checks.js';
import { Traceparent1764000000031 } from './migrations/1764000000031-traceparent.js';
import { SessionClient, SessionPool, sessionSetup, type SessionNeeds } from './session.js';
import type { SessionId } from './silence-watch.js';

/** A migration, and which code may run on a database that has it: ADR 22. */
export interface Migration {
  new (): MigrationInterface;
  /**
   * Timestamp of the newest migration that code must have, at least, to run on a database that has this one. Without it, code
   * must have this one.
   */
  readonly compatibleFrom?: number;
}

/** Every migration, in order. Add new ones at the end: CONTRIBUTING.md. */
export const MIGRATIONS: readonly Migration[] = [
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
  Operation1764000000017,
  LogSweep1764000000018,
  MovedLease1764000000019,
  Behind1764000000020,
  SentAgain1764000000021,
  Series1764000000022,
  FormerTypes1764000000023,
  ListIndexes1764000000025,
  Notices1764000000026,
  ClientRemoval1764000000027,
  Restores1764000000028,
  ValidChecks1764000000030,
  Traceparent1764000000031,
];

/** Longest that we wait for an answer, in milliseconds: a server that vanished says nothing at all. */
const QUERY_TIMEOUT_MS = 15_000;
const CONNECT_TIMEOUT_MS = 5000;
/** A connection that nobody uses is asked after so long, in milliseconds, whether the other side still has it; the system's own 2 hours are no help. */
const KEEP_ALIVE_MS = 5000;
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

export interface DatabaseOptions extends SessionNeeds {
  /** `postgresql://…` */
  readonly url: string;
  /** Shown in `pg_stat_activity`, so that an operator sees whose connection it is. */
  readonly applicationName: string;
  /** Most connections of this service. */
  readonly poolSize: number;
  /** Longest that a connection is waited for, in milliseconds; 5 seconds by default. */
  readonly connectTimeoutMs?: number;
}

/** TypeORM would write to the terminal by itself; what went wrong is thrown as well. */
const NO_LOGGER: Logger = {
  logQuery: () => undefined,
  logQueryError: () => undefined,
  logQuerySlow: () => undefined,
  logSchemaBuild: () => undefined,
  logMigration: () => undefined,
  log: () => undefined,
};

/** Makes a data source that is not yet connected; entities are those of the service that asks. */
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
    migrations: [...MIGRATIONS],
    migrationsTableName: 'rollcall_migration',
    logger: NO_LOGGER,
    driver: { Pool: SessionPool },
    extra: connectionOptions(options),
  });
}

/** Makes a pool alone, whose connections are as those of a data source; it connects when it is used. */
export function createPool(options: DatabaseOptions): pg.Pool {
  const { url: connectionString, applicationName: application_name, poolSize: max } = options;
  return new SessionPool({ connectionString, application_name, max, ...connectionOptions(options) }).on('error', () => undefined);
}

function connectionOptions(needs: Omit<DatabaseOptions, 'url'>) {
  const setup = sessionSetup(needs);
  return {
    types,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
    // A statement that may take any time is waited for as long.
    ...(needs.statementTimeoutMs !== 0 && { query_timeout: QUERY_TIMEOUT_MS }),
    connectionTimeoutMillis: needs.connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
    idleTimeoutMillis: IDLE_TIMEOUT_MS,
    onConnect: async (client: pg.ClientBase) => {
      ignoreErrorEvents(client);
      const question: pg.QueryConfig & { query_timeout: number } = { text: setup, query_timeout: CONNECT_TIMEOUT_MS };
      const { rows } = await client.query<SessionId>(question);
      if (client instanceof SessionClient) client.id = rows[0];
    },
  };
}

/**
 * A connection that breaks between two owners (just made by the pool, not yet taken over by TypeORM) has no listener, and
 * an error event without one ends the process. Whoever uses the connection gets the error from its statement anyway.
 */
function ignoreErrorEvents(client: pg.ClientBase): void {
  client.on('error', () => undefined);
}

/** Returns the pg pool under a data source, for the hand-written statements of the hot path. */
export function poolOf(dataSource: DataSource): pg.Pool {
  return (dataSource.driver as unknown as { master: pg.Pool }).master;
}
