import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Pool } from 'pg';
import { Registry } from 'prom-client';
import type { DataSource } from 'typeorm';
import { createDataSource, EmbeddedPostgres, ListReads, migrate } from '#database';
import { createLogger } from '#runtime';
import { StatusLogRepository } from '../apps/subscription-api/src/agent-status/status-log.repository.js';
import { AgentRepository } from '../apps/subscription-api/src/agents/agent.repository.js';
import { DeliveryFactsRepository } from '../apps/subscription-api/src/deliveries/delivery-facts.repository.js';
import { DeliveryList } from '../apps/subscription-api/src/deliveries/delivery-list.js';
import { EventHealthRepository } from '../apps/subscription-api/src/event-health/event-health.repository.js';
import { SeriesRepository } from '../apps/subscription-api/src/series/series.repository.js';

/**
 * What the lists cost on a full database: `npm run bench:plans -- [attempts] [changes]`. Makes rows on a PostgreSQL of its own, or in
 * the database of PLANS_DATABASE_URL where that is empty, asks for pages as the product does, and writes the plans of every statement to
 * docs/query-plans.md, in the section of the server's version.
 */
const [attempts = 1_000_000, changes = 100_000] = process.argv.slice(2).map(Number);
const AGENTS = 1000;
const WINDOW_MS = 86_400_000;
const PAGE = 100;
const DOCUMENT = 'docs/query-plans.md';
const LINES_OF_A_PLAN = 40;

/** One client has a hundred agent events, and nearly all of the rows; another has a thousand; a third has one for each of a hundred agents. */
const CLIENTS = [
  { id: 12, events: 100, changes, attempts, ofAgents: false },
  { id: 13, events: 1000, changes: changes / 10, attempts: attempts / 10, ofAgents: false },
  { id: 14, events: 100, changes: changes / 10, attempts: attempts / 10, ofAgents: true },
] as const;
const [BIG, WIDE, SINGLE] = CLIENTS;

/** Statements that fill the database with a client: a day of changes, each attempted for some of its agent events in turn. */
function fill({ id, events, changes, attempts, ofAgents }: (typeof CLIENTS)[number]): string[] {
  const each = Math.max(1, Math.round(attempts / changes));
  const turns = Math.max(1, Math.floor(events / 2 / each));
  return [
    `insert into presence.client values (${id})`,
    `insert into presence.agent (client_id, agent_id, agent_type, name, agent_status, sequence, changed_at)
     select ${id}, a, 'local', 'agent ' || a, 'logged_out', ${Math.ceil(changes / AGENTS)}, now() from generate_series(1, ${AGENTS}) a`,
    `insert into dispatch.agent_cursor (client_id, agent_id, last_sequence) select client_id, agent_id, sequence from presence.agent where client_id = ${id}`,
    `insert into subscription.agent_event (client_id, application_id, agent_id, agent_type, url, method, event_type)
     select ${id}, 1, ${ofAgents ? `n + 1, 'local'` : 'null, null'}, 'https://example.com/' || n, 'POST', case n % 2 when 0 then 'agent-login' else 'agent-logout' end from generate_series(0, ${events - 1}) n`,
    `insert into presence.status_change (id, client_id, agent_id, agent_type, name, agent_status, event_source, sequence, occurred_at, changed_at)
     select (substr(presence.uuid_v7_floor(at)::text, 1, 15) || substr(gen_random_uuid()::text, 16))::uuid, ${id}, n % ${AGENTS} + 1, 'local', 'agent',
       case (n / ${AGENTS}) % 2 when 0 then 'available' else 'logged_out' end, 'api', n / ${AGENTS} + 1, at, at
     from generate_series(0, ${changes - 1}) n cross join lateral (select now() - interval '23 hours' + n * interval '23 hours' / ${changes} as at) t
     order by n`,
    `with event as materialized (
       select id, event_type, row_number() over (partition by event_type order by id) - 1 as n from subscription.agent_event where client_id = ${id})
     insert into dispatch.attempt (agent_event_id, change_id, attempt, attempted_at, latency_ms, outcome, http_status, response)
     select e.id, s.id, 1, s.changed_at, 20, case when random() < 0.98 then 'delivered' else 'failed' end, 200, 'ok'
     from presence.status_change s join event e
       on e.event_type = case s.agent_status when 'available' then 'agent-login' else 'agent-logout' end and e.n % ${turns} = s.position % ${turns}
     where s.client_id = ${id}`,
    `insert into dispatch.delivery_series
     select ${id}, e, g, to_timestamp(floor(extract(epoch from attempted_at) / g) * g), count(*) filter (where outcome = 'delivered'), 0,
       count(*) filter (where outcome = 'failed'), 0, array_fill(5, array[12])
     from dispatch.attempt cross join unnest(array[0${ofAgents ? '' : ', agent_event_id'}]) e cross join unnest(array[60, 3600]) g
     where agent_event_id in (select id from subscription.agent_event where client_id = ${id}) group by e, g, 4`,
    `insert into presence.change_series
     select client_id, date_trunc('minute', changed_at), count(*) filter (where agent_status = 'available'),
       count(*) filter (where agent_status = 'logged_out'), 500
     from presence.status_change where client_id = ${id} group by 1, 2`,
  ];
}

/** Something that is asked for, and what it may cost in milliseconds. */
interface Question {
  readonly name: string;
  readonly budgetMs: number;
  readonly ask: () => Promise<unknown>;
}

function questionsOf(dataSource: DataSource, someEvent: number, ofSingleAgent: number): Question[] {
  // Lists are read through the data source as well, where their statements are noted.
  const query = async (text: string, values: unknown[]): Promise<unknown> => ({
    rows: await dataSource.query<unknown[]>(text, values),
  });
  const reads = new ListReads({ query } as unknown as Pool, undefined, createLogger('plans', 'silent'), new Registry());
  const deliveries = new DeliveryList(new DeliveryFactsRepository(dataSource, reads), { DELIVERY_WINDOW: WINDOW_MS });
  const log = new StatusLogRepository(dataSource, reads);
  const series = new SeriesRepository(reads);
  const health = new EventHealthRepository(dataSource);
  const agents = new AgentRepository(dataSource, reads);
  const list = (client: number, filter: Parameters<DeliveryList['page']>[1]) => () =>
    deliveries.page(client, filter, undefined, PAGE);
  const history =
    (order: 'asc' | 'desc', after = 0) =>
    () =>
      log.readHistory(BIG.id, { after, upTo: Number.MAX_SAFE_INTEGER, order }, PAGE + 1);
  const day = { from: Math.floor(Date.now() / 60_000) * 60 - 86_400, step: 120, points: 720, grain: 60 } as const;
  return [
    { name: 'deliveries of a client with 100 agent events', budgetMs: 30, ask: list(BIG.id, {}) },
    { name: 'deliveries of a client with 1,000 agent events', budgetMs: 100, ask: list(WIDE.id, {}) },
    { name: 'failed deliveries of a client with 100 agent events', budgetMs: 20, ask: list(BIG.id, { statuses: ['failed'] }) },
    { name: 'dropped deliveries, of which there are none', budgetMs: 20, ask: list(BIG.id, { statuses: ['dropped'] }) },
    {
      name: 'deliveries that are tried again, of which there are none',
      budgetMs: 20,
      ask: list(BIG.id, { statuses: ['retrying'] }),
    },
    { name: 'deliveries of an agent event', budgetMs: 20, ask: list(BIG.id, { agentEventId: someEvent }) },
    {
      name: 'failed deliveries of an agent event',
      budgetMs: 20,
      ask: list(BIG.id, { agentEventId: someEvent, statuses: ['failed'] }),
    },
    { name: 'deliveries of an agent', budgetMs: 20, ask: list(BIG.id, { agentId: 7 }) },
    { name: 'history, the newest first', budgetMs: 20, ask: history('desc') },
    { name: 'history, the oldest first', budgetMs: 20, ask: history('asc') },
    { name: 'history after a position in the middle', budgetMs: 20, ask: history('asc', changes / 2) },
    { name: 'health of 100 agent events', budgetMs: 20, ask: () => health.find(BIG.id, {}, 0, PAGE) },
    { name: 'search of agents', budgetMs: 20, ask: () => agents.search(BIG.id, { q: 'agent 7' }, 0, PAGE) },
    { name: 'series of deliveries over 24 hours', budgetMs: 50, ask: () => series.deliveries(BIG.id, day) },
    {
      name: 'deliveries of the agent event of a single agent',
      budgetMs: 20,
      ask: list(SINGLE.id, { agentEventId: ofSingleAgent }),
    },
    { name: 'health of the agent events of 100 single agents', budgetMs: 20, ask: () => health.find(SINGLE.id, {}, 0, PAGE) },
    {
      name: 'series of deliveries of the agent event of a single agent over 24 hours',
      budgetMs: 50,
      ask: () => series.deliveriesOf(SINGLE.id, ofSingleAgent, day),
    },
    { name: 'series of changes over 24 hours', budgetMs: 50, ask: () => series.changes(BIG.id, day) },
  ];
}

/** Asks, warm, and explains each statement that it takes. @returns lines for the document */
async function measure(dataSource: DataSource, { name, budgetMs, ask }: Question): Promise<string[]> {
  const statements: [text: string, values: unknown[]][] = [];
  const query = dataSource.query.bind(dataSource);
  await ask();
  dataSource.query = ((text: string, values: unknown[] = []) => {
    statements.push([text, values]);
    return query(text, values);
  }) as typeof dataSource.query;
  await ask();
  dataSource.query = query;
  let planning = 0;
  let execution = 0;
  const plans: string[] = [];
  for (const [text, values] of statements) {
    const rows: { 'QUERY PLAN': string }[] = await query(`explain (analyze, buffers) ${text}`, values);
    const plan = rows.map((row) => row['QUERY PLAN']);
    const [, planned, executed] = /Planning Time: ([\d.]+)[^]*Execution Time: ([\d.]+)/.exec(plan.join('\n'))!;
    planning += Number(planned);
    execution += Number(executed);
    plans.push(
      '```',
      ...plan.slice(0, LINES_OF_A_PLAN),
      ...(plan.length > LINES_OF_A_PLAN ? ['…', ...plan.slice(-2)] : []),
      '```',
      '',
    );
  }
  const figures = `${execution.toFixed(1)} ms, planned in ${planning.toFixed(1)} ms (at most ${budgetMs})`;
  process.stdout.write(`${name}: ${figures}, ${statements.length} statements\n`);
  return [`## ${name}: ${figures}`, '', ...plans];
}

/** Puts a section in the place of the one of the same server version. */
async function writeSection(title: string, lines: readonly string[]): Promise<void> {
  const before = await readFile(DOCUMENT, 'utf8').catch(() => '');
  const versionOf = (section: string): string | undefined => /^# PostgreSQL (\d+)/.exec(section)?.[1];
  const section = [title, '', ...lines].join('\n');
  const others = before.split(/^(?=# PostgreSQL )/m).filter((one) => versionOf(one) && versionOf(one) !== versionOf(section));
  const intro =
    '# Query plans\n\nWhat the lists cost on a full database, by `npm run bench:plans`, warm. A list takes a few statements; the times are of all of them.\n\n';
  await writeFile(DOCUMENT, intro + [...others, section].toSorted().toReversed().join(''));
}

const directory = await mkdtemp(join(tmpdir(), 'rollcall-plans-'));
await chmod(directory, 0o755);
const given = process.env['PLANS_DATABASE_URL'];
const say = (line: string): void => void process.stderr.write(`${line}\n`);
const server =
  given === undefined
    ? await EmbeddedPostgres.start(directory, ['fsync=off', 'max_wal_size=8GB', 'shared_buffers=1GB'], say)
    : undefined;
try {
  if (server) await server.ensureDatabase('plans');
  const url = given ?? server!.url('plans');
  await migrate(url);
  const dataSource = createDataSource({ url, applicationName: 'plans', poolSize: 2, statementTimeoutMs: 0 });
  await dataSource.initialize();
  try {
    const [filled] = await dataSource.query<{ is: boolean }[]>('select exists (select from presence.client) as is');
    if (!filled!.is) {
      for (const client of CLIENTS) for (const text of fill(client)) await dataSource.query(text);
      await dataSource.query('vacuum analyze');
    }
    const [version] = await dataSource.query<{ server_version: string }[]>('show server_version');
    const eventOf = async ({ id }: (typeof CLIENTS)[number]): Promise<number> => {
      const [event] = await dataSource.query<{ id: number }[]>(
        `select min(id) + 1 as id from subscription.agent_event where client_id = ${id}`,
      );
      return event!.id;
    };
    const [someEvent, ofSingleAgent] = [await eventOf(BIG), await eventOf(SINGLE)];
    const lines: string[] = [];
    for (const question of questionsOf(dataSource, someEvent, ofSingleAgent))
      lines.push(...(await measure(dataSource, question)));
    const rows = CLIENTS.reduce((sum, client) => sum + client.attempts, 0);
    const changesOfAll = CLIENTS.reduce((sum, client) => sum + client.changes, 0);
    await writeSection(
      `# PostgreSQL ${version!.server_version.split(' ')[0]!}: ${rows.toLocaleString('en')} attempts, ${changesOfAll.toLocaleString('en')} changes`,
      lines,
    );
  } finally {
    await dataSource.destroy();
  }
} finally {
  await server?.discard();
  await rm(directory, { recursive: true, force: true });
}
