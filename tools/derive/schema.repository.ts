import pg from 'pg';

interface Column {
  readonly table_name: string;
  readonly table_comment: string | null;
  readonly column_name: string;
  readonly type: string;
  readonly nullable: boolean;
  readonly default_value: string | null;
}

interface Named {
  readonly table_name: string;
  readonly definition: string;
}

// Day partitions are left out: which ones there are depends on the day.
const TABLES = `
  select c.oid, n.nspname || '.' || c.relname as table_name
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where n.nspname in ('access', 'subscription', 'presence', 'dispatch') and c.relkind in ('r', 'p') and not c.relispartition`;

/** Describes the schema as the catalog of a migrated database has it, in Markdown: tables, columns, keys, indexes, functions. */
export async function describeSchema(databaseUrl: string): Promise<string> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    const columns = await client.query<Column>(`
      select t.table_name, obj_description(t.oid) as table_comment, a.attname as column_name,
             format_type(a.atttypid, a.atttypmod) as type, not a.attnotnull as nullable,
             case when a.attidentity <> '' then 'identity' else pg_get_expr(d.adbin, d.adrelid) end as default_value
      from (${TABLES}) t
      join pg_attribute a on a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped
      left join pg_attrdef d on d.adrelid = t.oid and d.adnum = a.attnum
      order by t.table_name, a.attnum`);
    // PostgreSQL 18 lists NOT NULL as constraints too; the columns say it already.
    const constraints = await client.query<Named>(`
      select t.table_name, pg_get_constraintdef(k.oid) as definition
      from (${TABLES}) t join pg_constraint k on k.conrelid = t.oid
      where k.contype <> 'n' order by t.table_name, k.contype desc, definition`);
    const indexes = await client.query<Named>(`
      select t.table_name, pg_get_indexdef(i.indexrelid) as definition
      from (${TABLES}) t join pg_index i on i.indrelid = t.oid
      where not i.indisprimary order by t.table_name, definition`);
    const functions = await client.query<{ definition: string }>(`
      select n.nspname || '.' || p.proname || '(' || pg_get_function_arguments(p.oid) || ') returns ' || pg_get_function_result(p.oid) as definition
      from pg_proc p join pg_namespace n on n.oid = p.pronamespace
      where n.nspname in ('access', 'subscription', 'presence', 'dispatch') order by definition`);
    return render(columns.rows, constraints.rows, indexes.rows, functions.rows);
  } finally {
    await client.end();
  }
}

function render(columns: Column[], constraints: Named[], indexes: Named[], functions: { definition: string }[]): string {
  const lines = [
    '# Database schema',
    '',
    'Derived from the migrations (`npm run derive`). What the tables are for: ARCHITECTURE.md.',
  ];
  for (const table of new Set(columns.map((column) => column.table_name))) {
    lines.push('', `## ${table}`, '', '| column | type | null | default |', '|---|---|---|---|');
    for (const column of columns.filter((one) => one.table_name === table)) {
      const cells = [
        column.column_name,
        column.type,
        column.nullable ? 'yes' : '',
        column.default_value ? `\`${column.default_value}\`` : '',
      ];
      lines.push(`| ${cells.join(' | ')} |`);
    }
    lines.push('');
    for (const named of [...constraints, ...indexes].filter((one) => one.table_name === table))
      lines.push(`- \`${named.definition}\``);
  }
  lines.push('', '## Functions', '', ...functions.map(({ definition }) => `- \`${definition}\``), '');
  return lines.join('\n');
}
