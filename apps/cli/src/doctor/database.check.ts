import type { DatabaseFacts } from './database-facts.repository.js';
import { error, ok, warning, type Finding } from './finding.js';

/** What the judgement depends on beside the database itself. */
export interface DatabaseUse {
  /** The host of DATABASE_URL is this machine. */
  readonly isLocal: boolean;
  /** DATABASE_POOL. */
  readonly poolSize: number;
  /** Services that run on it, all instances of all three. */
  readonly instances: number;
  /** The time here when the database told its own, in milliseconds since the epoch. */
  readonly now: number;
  /** How long its answer took, in milliseconds. */
  readonly roundTripMs: number;
}

const DAY_MS = 86_400_000;
/** Of connections that somebody else may need: an operator, a backup. */
const SPARE_CONNECTIONS = 5;
const MAX_SKEW_MS = 1000;
const MAX_UNPUBLISHED_MS = 60_000;
const LONG_TRANSACTION_MS = 3_600_000;
/** Half of what is there. */
const HIGH_TRANSACTION_AGE = 1_000_000_000;
const LAST_PARTITION_DAYS = 7;

/** Judges a database by what was read of it. Pure. */
export function judgeDatabase(facts: DatabaseFacts, use: DatabaseUse): Finding[] {
  return [
    ok('database.version', `PostgreSQL ${facts.version}, as ${facts.user}`),
    tls(facts, use),
    writable(facts),
    rights(facts),
    connections(facts, use),
    ...durability(facts),
    standbys(facts),
    clock(facts, use),
    partitions(facts),
    logSizes(facts),
    outbox(facts),
    transactions(facts),
    transactionIds(facts),
  ];
}

function tls({ isEncrypted }: DatabaseFacts, { isLocal }: DatabaseUse): Finding {
  if (isEncrypted) return ok('database.tls', 'the connection is encrypted');
  if (isLocal) return ok('database.tls', 'the connection is not encrypted, and stays on this machine');
  return warning(
    'database.tls',
    'the connection is not encrypted',
    'put sslmode=verify-full and sslrootcert=<file> into DATABASE_URL',
  );
}

function writable({ isReadOnly }: DatabaseFacts): Finding {
  if (!isReadOnly) return ok('database.writable', 'it can be written');
  return error('database.writable', 'the server is read-only, such as a standby', 'connect to the primary');
}

function rights({ schemas, user }: DatabaseFacts): Finding {
  const can = schemas.filter(({ isWritable }) => isWritable).map(({ name }) => name);
  const cannot = schemas.filter(({ isWritable }) => !isWritable).map(({ name }) => name);
  if (can.length === 0)
    return error(
      'database.rights',
      `${user} may write none of the schemas ${cannot.join(', ')}`,
      'grant it the role of its service: docs/adr/0009-a-database-role-per-service.md',
    );
  if (cannot.length === 0) return ok('database.rights', `${user} may write all schemas`);
  return ok('database.rights', `${user} may write ${can.join(', ')}, and not ${cannot.join(', ')}: good for one service`);
}

function connections({ settings, connections }: DatabaseFacts, { poolSize, instances }: DatabaseUse): Finding {
  const room = Number(settings.max_connections) - Number(settings.superuser_reserved_connections);
  const needed = poolSize * instances + SPARE_CONNECTIONS;
  const found = `max_connections leaves ${room}; ${instances} instances × DATABASE_POOL ${poolSize} and ${SPARE_CONNECTIONS} spare need ${needed}; ${connections} are open`;
  if (needed <= room) return ok('database.connections', found);
  return error(
    'database.connections',
    found,
    'raise max_connections, lower DATABASE_POOL, or put a pooler in session mode in between',
  );
}

function durability({ settings }: DatabaseFacts): Finding[] {
  const off = (name: 'fsync' | 'full_page_writes'): Finding =>
    settings[name] === 'on'
      ? ok(`database.${name}`, 'on')
      : error(`database.${name}`, 'off: a crash of the server can lose or destroy what it said was stored', `set ${name} = on`);
  const commit =
    settings.synchronous_commit === 'off'
      ? warning(
          'database.synchronous_commit',
          'off by default of the server or role; Rollcall sets it on for its own sessions',
          'set synchronous_commit = on where others write what matters',
        )
      : ok('database.synchronous_commit', settings.synchronous_commit);
  const autovacuum =
    settings.autovacuum === 'on'
      ? ok('database.autovacuum', 'on')
      : error('database.autovacuum', 'off: tables grow without end', 'set autovacuum = on');
  return [commit, off('fsync'), off('full_page_writes'), autovacuum];
}

function standbys({ settings, synchronousStandbys }: DatabaseFacts): Finding {
  const names = settings.synchronous_standby_names;
  if (names === '')
    return ok('database.standbys', 'no synchronous standby: when the server is lost for good, its last commits may be lost too');
  if (synchronousStandbys > 0) return ok('database.standbys', `${synchronousStandbys} synchronous`);
  return error(
    'database.standbys',
    `commits wait for a synchronous standby (${names}), and none is connected: every write hangs`,
    'bring the standby back, or take it out of synchronous_standby_names',
  );
}

function clock({ now }: DatabaseFacts, { now: here, roundTripMs }: DatabaseUse): Finding {
  const skewMs = Math.max(0, Math.abs(here - now) - roundTripMs);
  if (skewMs <= MAX_SKEW_MS) return ok('database.clock', 'as this machine’s');
  return warning(
    'database.clock',
    `${(skewMs / 1000).toFixed(1)} s from this machine’s`,
    'have both follow a time server; Rollcall goes by the database’s, and others compare its times with theirs',
  );
}

function partitions({ partitions, now }: DatabaseFacts): Finding {
  const have = new Set(partitions);
  const missing: string[] = [];
  for (let days = 0; days <= LAST_PARTITION_DAYS; days++) {
    const day = new Date(now + days * DAY_MS).toISOString().slice(0, 10).replaceAll('-', '');
    for (const name of [`status_change_${day}`, `attempt_${day}`]) if (!have.has(name)) missing.push(name);
  }
  const [first] = missing;
  if (first === undefined) return ok('database.partitions', `there for ${LAST_PARTITION_DAYS} days ahead`);
  const remedy = 'start presence and dispatcher, which make them; their logs say why they do not (…maintenance_failed)';
  const found = `${missing.length} are missing, the first is ${first}`;
  const today = new Date(now).toISOString().slice(0, 10).replaceAll('-', '');
  return first.endsWith(today) ? error('database.partitions', found, remedy) : warning('database.partitions', found, remedy);
}

function logSizes({ changeLogBytes, attemptLogBytes, bytesOfYesterday }: DatabaseFacts): Finding {
  const inMiB = (bytes: number): string => `${(bytes / 1_048_576).toFixed(1)} MiB`;
  return ok(
    'database.logs',
    `status changes ${inMiB(changeLogBytes)}, attempts ${inMiB(attemptLogBytes)}; yesterday added ${inMiB(bytesOfYesterday)}`,
  );
}

function outbox({ unpublished, unpublishedForMs }: DatabaseFacts): Finding {
  if (unpublishedForMs <= MAX_UNPUBLISHED_MS) return ok('database.outbox', `${unpublished} changes wait to be published`);
  return error(
    'database.outbox',
    `${unpublished} changes wait to be published, the oldest for ${Math.round(unpublishedForMs / 1000)} s`,
    'start presence, and look at its readiness: it publishes when the broker takes them',
  );
}

function transactions({ oldestTransactionMs }: DatabaseFacts): Finding {
  if (oldestTransactionMs <= LONG_TRANSACTION_MS) return ok('database.transactions', 'none is open for long');
  return warning(
    'database.transactions',
    `one is open for ${(oldestTransactionMs / 3_600_000).toFixed(1)} h: nothing that was deleted since can be cleaned up`,
    'find it in pg_stat_activity by xact_start, and end it',
  );
}

function transactionIds({ transactionAge }: DatabaseFacts): Finding {
  if (transactionAge < HIGH_TRANSACTION_AGE) return ok('database.transaction_ids', 'far from running out');
  return error(
    'database.transaction_ids',
    `${transactionAge} of 2,000,000,000 are used up since the last freeze`,
    'find what holds autovacuum back: old transactions, replication slots, prepared transactions',
  );
}
