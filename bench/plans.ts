import { mkdtemp, rm, writeFile, chmod } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { EmbeddedPostgres, migrate } from '#database';
import { statementOf, type SourceParameters } from '../apps/subscription-api/src/deliveries/delivery-sources.js';

/**
 * What the lists cost on a full database: `npm run bench:plans -- [attempts] [agent events]`. Makes rows on a PostgreSQL of its own, or in the
 * empty database of PLANS_DATABASE_URL, and writes the plans to docs/query-plans.md.
 */
const [attempts = 1_000_000, events = 100] = process.argv.slice(2).map(Number);
const AGENTS = 1000;
const CLIENT = 12;
const ANY: SourceParameters = [
  CLIENT,
  null,
  null,
  null,
  '0'.repeat(8) + '-0000-0000-0000-000000000000',
  'ffffffff-ffff-ffff-ffff-ffffffffffff',
  101,
  null,
  86_400_000,
  2 ** 32,
];

const FILL = (changes: number): string[] => [
  `insert into presence.client values (${CLIENT})`,
  `insert into presence.agent (client_id, agent_id, agent_type, name, agent_status, sequence, changed_at)
   select ${CLIENT}, a, 'local', 'agent ' || a, 'logged_out', ${2 * Math.ceil(changes / AGENTS / 2)}, now() from generate_series(1, ${AGENTS}) a`,
  `insert into dispatch.agent_cursor (client_id, agent_id, last_sequence) select client_id, agent_id, sequence from presence.agent`,
  `insert into subscription.agent_event (client_id, application_id, url, method, event_type)
   select ${CLIENT}, 1, 'https://example.com/' || n, 'POST', case n % 2 when 0 then 'agent-login' else 'agent-logout' end from generate_series(1, ${events}) n`,
  // A day of changes, evenly.
  `insert into presence.status_change (id, client_id, agent_id, agent_type, name, agent_status, event_source, sequence, occurred_at, changed_at)
   select (substr(presence.uuid_v7_floor(at)::text, 1, 15) || substr(gen_random_uuid()::text, 16))::uuid, ${CLIENT}, n % ${AGENTS} + 1, 'local', 'agent',
     case (n / ${AGENTS}) % 2 when 0 then 'available' else 'logged_out' end, 'api', n / ${AGENTS} + 1, at, at
   from generate_series(0, ${changes - 1}) n cross join lateral (select now() - interval '23 hours' + n * interval '23 hours' / ${changes} as at) t`,
  `insert into dispatch.attempt (agent_event_id, change_id, attempt, attempted_at, latency_ms, outcome, http_status, response)
   select e.id, s.id, 1, s.changed_at, 20, case when random() < 0.98 then 'delivered' else 'failed' end, 200, 'ok'
   from presence.status_change s join subscription.agent_event e
     on e.event_type = case s.agent_status when 'available' then 'agent-login' else 'agent-logout' end`,
  `insert into dispatch.delivery_series select ${CLIENT}, e, g, at, 50, 1, 0, 0, array_fill(5, array[12])
   from generate_series(0, ${events}) e cross join unnest(array[60, 3600]) g
   cross join lateral (select date_trunc('hour', now()) - n * g * interval '1 s' as at from generate_series(0, 86400 / g) n) t`,
  `insert into presence.change_series select ${CLIENT}, date_trunc('minute', now()) - n * interval '1 minute', 10, 10, 500 from generate_series(0, 1440) n`,
  'analyze',
];

const STATEMENTS: [name: string, budgetMs: number, text: string, values: readonly unknown[]][] = [
  [
    'deliveries of the client, first page',
    events > 100 ? 100 : 30,
    statementOf(['attempted', 'unplanned', 'behind', 'sentAgain'], 'desc'),
    ANY,
  ],
  [
    'deliveries of one agent event, first page',
    20,
    statementOf(['attempted', 'unplanned', 'behind', 'sentAgain'], 'desc'),
    ANY.with(1, 2),
  ],
  ['failed deliveries of the client, first page', 20, statementOf(['attempted'], 'desc'), ANY.with(7, ['failed'])],
  [
    'deliveries of an agent, first page',
    20,
    statementOf(['attemptedOfAgent', 'unplanned', 'behind', 'sentAgain'], 'desc'),
    ANY.with(3, 7),
  ],
  [
    'history of the client, the newest first',
    20,
    'select * from presence.status_change where client_id = $1 and position > 0 order by position desc limit 101',
    [CLIENT],
  ],
  [
    'attempts of 24 hours by the minute',
    50,
    `select at, delivered, latency from dispatch.delivery_series where client_id = $1 and agent_event_id = 0 and grain = 60 and at > now() - interval '24 hours' order by at`,
    [CLIENT],
  ],
];

const directory = await mkdtemp(join(tmpdir(), 'rollcall-plans-'));
await chmod(directory, 0o755);
const given = process.env['PLANS_DATABASE_URL'];
const server =
  given === undefined
    ? await EmbeddedPostgres.start(directory, ['fsync=off', 'max_wal_size=8GB'], (line) => void process.stderr.write(`${line}\n`))
    : undefined;
const lines = ['# Query plans', ''];
try {
  if (server) await server.ensureDatabase('plans');
  const url = given ?? server!.url('plans');
  await migrate(url);
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const version = (await client.query<{ server_version: string }>('show server_version')).rows[0]!.server_version;
  for (const text of FILL(Math.ceil((attempts * 2) / events))) await client.query(text);
  await client.query('vacuum analyze');
  lines.push(
    `PostgreSQL ${version}, ${attempts} attempts of ${events} agent events, by \`npm run bench:plans\`. Warm: the second run of each.`,
    '',
  );
  for (const [name, budget, text, values] of STATEMENTS) {
    let plan: string[] = [];
    for (let run = 0; run < 3; run++) {
      const { rows } = await client.query<{ 'QUERY PLAN': string }>(`explain (analyze, buffers) ${text}`, [...values]);
      plan = rows.map((row) => row['QUERY PLAN']);
    }
    const ms = Number(/Execution Time: ([\d.]+)/.exec(plan.join('\n'))![1]);
    process.stdout.write(`${name}: ${ms} ms (budget ${budget})\n`);
    lines.push(`## ${name}: ${ms} ms (at most ${budget})`, '', '```', ...plan.slice(0, 60), '```', '');
  }
  await client.end();
  await writeFile('docs/query-plans.md', lines.join('\n'));
} finally {
  await server?.discard();
  await rm(directory, { recursive: true, force: true });
}
