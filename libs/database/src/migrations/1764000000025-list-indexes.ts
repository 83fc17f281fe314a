import type { MigrationInterface, QueryRunner } from 'typeorm';

/** An index of a partitioned table, as it is to be. */
interface PartitionedIndex {
  readonly schema: string;
  readonly table: string;
  readonly name: string;
  /** Columns, and the condition where there is one. */
  readonly definition: string;
}

const INDEXES: readonly PartitionedIndex[] = [
  // Serves a client's history, from either end.
  { schema: 'presence', table: 'status_change', name: 'status_change_by_client', definition: '(client_id, position)' },
  // Serves the lists of what failed or was dropped. A success, which is what mostly happens, does not touch it.
  {
    schema: 'dispatch',
    table: 'attempt',
    name: 'attempt_unsuccessful',
    definition: `(agent_event_id, outcome, change_id) where outcome <> 'delivered'`,
  },
];

/** Waiting for a concurrent build holds nobody up but other changes of the schema. */
const BUILD_PATIENCE = '1min';

/**
 * Indexes for the lists of what failed and of a client's history. They are built partition by partition beside the writers, which
 * no transaction can do; whoever is interrupted goes on where it was. Owned by presence and by dispatcher.
 */
export class ListIndexes1764000000025 implements MigrationInterface {
  static readonly compatibleFrom = 1764000000013;
  readonly transaction = false;

  async up(runner: QueryRunner): Promise<void> {
    for (const index of INDEXES) await build(runner, index);
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const { schema, name } of INDEXES) await runner.query(`drop index if exists ${schema}.${name}`);
  }
}

async function build(runner: QueryRunner, { schema, table, name, definition }: PartitionedIndex): Promise<void> {
  const parent = `${schema}.${table}`;
  const [found] = (await runner.query(`select not exists (select from ${parent}) as empty`)) as { empty: boolean }[];
  if (found!.empty) return void (await runner.query(`create index if not exists ${name} on ${parent} ${definition}`));
  // Of the parent alone, for an instant: partitions that are made from now on have it.
  await runner.query(`create index if not exists ${name} on only ${parent} ${definition}`);
  const partitions = (await runner.query(
    `select c.relname as partition, x.relname as index, i.indisvalid as valid
     from pg_inherits h join pg_class c on c.oid = h.inhrelid
     left join pg_class x on x.relnamespace = c.relnamespace and x.relname = $3 || right(c.relname, -length($2))
     left join pg_index i on i.indexrelid = x.oid
     where h.inhparent = $1::regclass
       and not exists (select from pg_index own join pg_inherits a on a.inhrelid = own.indexrelid
                       where own.indrelid = c.oid and a.inhparent = ($4 || '.' || $3)::regclass)
     order by c.relname`,
    [parent, table, name, schema],
  )) as { partition: string; index: string | null; valid: boolean | null }[];
  const [session] = (await runner.query('show lock_timeout')) as { lock_timeout: string }[];
  for (const { partition, index, valid } of partitions) {
    const own = name + partition.slice(table.length);
    await runner.query(`set lock_timeout = '${BUILD_PATIENCE}'`);
    try {
      // One that was left by an interrupted build.
      if (index !== null && !valid) await runner.query(`drop index concurrently ${schema}.${own}`);
      await runner.query(`create index concurrently if not exists ${own} on ${schema}.${partition} ${definition}`);
    } finally {
      await runner.query(`set lock_timeout = '${session!.lock_timeout}'`);
    }
    await runner.query(`alter index ${schema}.${name} attach partition ${schema}.${own}`);
  }
}
