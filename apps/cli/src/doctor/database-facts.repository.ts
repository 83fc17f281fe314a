import type { Pool } from '#database';

/** What is asked of a database by `doctor`. */
export interface DatabaseFacts {
  readonly version: string;
  readonly isEncrypted: boolean;
  readonly isReadOnly: boolean;
  /** Settings that a new session of this role begins with. */
  readonly settings: Readonly<Record<(typeof SETTINGS)[number], string>>;
  readonly connections: number;
  /** Standbys that a commit waits for, and that are there. */
  readonly synchronousStandbys: number;
  /** Time of the server, in milliseconds since the epoch. */
  readonly now: number;
  readonly user: string;
  /** Schemas of Rollcall, and whether this role may write all of their tables. */
  readonly schemas: readonly { readonly name: string; readonly isWritable: boolean }[];
  /** Day partitions, as table names without their schema, that hold from today to a week ahead. */
  readonly partitions: readonly string[];
  /** Bytes of the two logs, and of their partitions of yesterday. */
  readonly changeLogBytes: number;
  readonly attemptLogBytes: number;
  readonly bytesOfYesterday: number;
  /** Changes that are not published, and since when the oldest is there, in milliseconds. */
  readonly unpublished: number;
  readonly unpublishedForMs: number;
  /** How long the oldest transaction of anybody is open, in milliseconds. */
  readonly oldestTransactionMs: number;
  /** Transactions until ids run out are two thousand million less this. */
  readonly transactionAge: number;
}

const SETTINGS = [
  'synchronous_commit',
  'fsync',
  'full_page_writes',
  'autovacuum',
  'max_connections',
  'superuser_reserved_connections',
  'synchronous_standby_names',
] as const;
const SCHEMAS = ['access', 'subscription', 'presence', 'dispatch'] as const;

/** Reads what `doctor` judges a database by; one statement for the server, one for what Rollcall keeps in it. */
export async function readDatabaseFacts(pool: Pool): Promise<DatabaseFacts> {
  const server = await pool.query<ServerRow>({
    text: `
      select current_setting('server_version') as version,
             coalesce((select ssl from pg_stat_ssl where pid = pg_backend_pid()), false) as is_encrypted,
             pg_is_in_recovery() or (select reset_val from pg_settings where name = 'default_transaction_read_only') = 'on' as is_read_only,
             (select json_object_agg(name, reset_val) from pg_settings where name = any ($1)) as settings,
             (select count(*) from pg_stat_activity where backend_type = 'client backend') as connections,
             (select count(*) from pg_stat_replication where sync_state in ('sync', 'quorum')) as synchronous_standbys,
             date_part('epoch', clock_timestamp()) * 1000 as now,
             current_user as user_name,
             coalesce((select max(date_part('epoch', clock_timestamp() - xact_start)) * 1000 from pg_stat_activity
                       where xact_start is not null and pid <> pg_backend_pid() and backend_type = 'client backend'), 0) as oldest_transaction_ms,
             (select age(datfrozenxid) from pg_database where datname = current_database()) as transaction_age`,
    values: [SETTINGS],
  });
  const schemas = await pool.query<{ name: string; is_writable: boolean }>({
    text: `
      select s.name, bool_and(has_schema_privilege(s.name, 'usage') and has_table_privilege(c.oid, 'insert, update, delete')) as is_writable
      from unnest($1::text[]) with ordinality as s (name, place)
      join pg_namespace n on n.nspname = s.name
      join pg_class c on c.relnamespace = n.oid and c.relkind in ('r', 'p') and not c.relispartition
      group by s.name, s.place order by s.place`,
    values: [SCHEMAS],
  });
  const kept = await pool.query<KeptRow>(`
    with partition as (
      select c.oid, c.relname, p.relname as parent
      from pg_inherits i join pg_class c on c.oid = i.inhrelid join pg_class p on p.oid = i.inhparent join pg_namespace n on n.oid = p.relnamespace
      where p.relkind = 'p' and n.nspname || '.' || p.relname in ('presence.status_change', 'dispatch.attempt'))
    select array_agg(relname::text) as partitions,
           coalesce(sum(pg_total_relation_size(oid)) filter (where parent = 'status_change'), 0) as change_log_bytes,
           coalesce(sum(pg_total_relation_size(oid)) filter (where parent = 'attempt'), 0) as attempt_log_bytes,
           coalesce(sum(pg_total_relation_size(oid)) filter (
             where relname ~ ('_' || to_char((now() - interval '1 day') at time zone 'utc', 'YYYYMMDD') || '$')), 0) as bytes_of_yesterday
    from partition`);
  const outbox = await readOutbox(pool);
  const [serverRow, keptRow] = [server.rows[0]!, kept.rows[0]!];
  return {
    version: serverRow.version,
    isEncrypted: serverRow.is_encrypted,
    isReadOnly: serverRow.is_read_only,
    settings: serverRow.settings,
    connections: serverRow.connections,
    synchronousStandbys: serverRow.synchronous_standbys,
    now: serverRow.now,
    user: serverRow.user_name,
    schemas: schemas.rows.map(({ name, is_writable }) => ({ name, isWritable: is_writable })),
    partitions: keptRow.partitions ?? [],
    changeLogBytes: Number(keptRow.change_log_bytes),
    attemptLogBytes: Number(keptRow.attempt_log_bytes),
    bytesOfYesterday: Number(keptRow.bytes_of_yesterday),
    ...outbox,
    oldestTransactionMs: serverRow.oldest_transaction_ms,
    transactionAge: serverRow.transaction_age,
  };
}

/** How many changes are not published, up to a hundred thousand, and how long the oldest waits. A role that may not look sees none. */
async function readOutbox(pool: Pool): Promise<Pick<DatabaseFacts, 'unpublished' | 'unpublishedForMs'>> {
  const allowed = await pool.query<{ may: boolean }>(
    `select case when has_schema_privilege('presence', 'usage')
       then has_table_privilege('presence.outbox', 'select') and has_table_privilege('presence.status_change', 'select')
       else false end as may`,
  );
  if (!allowed.rows[0]!.may) return { unpublished: 0, unpublishedForMs: 0 };
  const { rows } = await pool.query<{ unpublished: number; unpublished_for_ms: number }>(`
    select (select count(*) from (select from presence.outbox limit 100000) o) as unpublished,
           coalesce((select date_part('epoch', clock_timestamp() - c.changed_at) * 1000
                     from (select change_id from presence.outbox order by position limit 1) o
                     join presence.status_change c on c.id = o.change_id), 0) as unpublished_for_ms`);
  const { unpublished, unpublished_for_ms } = rows[0]!;
  return { unpublished, unpublishedForMs: unpublished_for_ms };
}

interface ServerRow {
  version: string;
  is_encrypted: boolean;
  is_read_only: boolean;
  settings: DatabaseFacts['settings'];
  connections: number;
  synchronous_standbys: number;
  now: number;
  user_name: string;
  oldest_transaction_ms: number;
  transaction_age: number;
}

interface KeptRow {
  partitions: string[] | null;
  change_log_bytes: string;
  attempt_log_bytes: string;
  bytes_of_yesterday: string;
}
