import { writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { AllInOne } from '../test/support/all-in-one.js';
import { Lab, SETTINGS, System } from './lab/lab.js';
import { describeCircumstances, HEADER, line, type Circumstances } from './report.js';
import { measure, type Measured, type Row } from './row.js';
import { agentEventsRow } from './rows/agent-events.js';
import { growthRows } from './rows/growth.js';
import { MemoryWatch } from './rows/memory.js';
import { deadOriginRow, dispatcherRow, fanOutRow, wholePathRow } from './rows/notifying.js';
import { bareChainRow, itemARequestRow, latencyRows, type Target } from './rows/over-http.js';
import { arraysOverHttpRow, repeatsOverKafkaRow } from './rows/telemetry.js';

/**
 * `npm run bench [-- <part of a row's name> …]`: what Rollcall does, each row beside its bare limit in the same run, on real
 * PostgreSQL and Kafka over loopback. Prints one table and writes it to bench/results.json with what it was measured on.
 * `npm run bench -- growth` is a run of its own, for the dispatcher on tables that have grown: bench/growth.json.
 */
const TIMES = Number(process.env['BENCH_TIMES'] ?? 3);
const growth = process.argv[2] === 'growth';
const wanted = process.argv.slice(growth ? 3 : 2);
/** After which a service that has started is at rest, in milliseconds. */
const REST_MS = 5000;
const measured: Measured[] = [];

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

async function take(row: Row): Promise<void> {
  if (wanted.length > 0 && !wanted.some((part) => row.name.includes(part))) return;
  const result = await measure(row, row.unit === 'MiB' ? 1 : TIMES);
  measured.push(result);
  say(line(result));
}

async function measureCluster(lab: Lab): Promise<Circumstances> {
  const system = await System.start(lab);
  try {
    const memory = new MemoryWatch(system);
    await delay(REST_MS);
    await memory.atRest();
    await memory.during(take(dispatcherRow(lab, system)));
    for (const row of memory.rows()) await take(row);
    await take(wholePathRow(lab, system));
    await take(fanOutRow(lab, system));
    const target: Target = { name: 'three services', urls: system.cluster.urls, pool: system.pool };
    await take(itemARequestRow(lab, target, 0.25));
    await take(bareChainRow(lab, 'split'));
    await take(bareChainRow(lab, 'whole'));
    const chainGoals = [
      { share: 0.5, timesTheChain: 2 },
      { share: 0.99, timesTheChain: 3 },
    ];
    for (const row of latencyRows(lab, target, chainGoals)) await take(row);
    await take(repeatsOverKafkaRow(lab, system));
    await take(arraysOverHttpRow(lab, system));
    await take(agentEventsRow(lab, system, 'GET'));
    await take(agentEventsRow(lab, system, 'POST'));
    await take(deadOriginRow(lab, system));
    return await describeCircumstances(system.pool, { ...SETTINGS, times: TIMES });
  } finally {
    await system.stop();
  }
}

async function measureAllInOne(lab: Lab): Promise<void> {
  const databaseUrl = await lab.createDatabase();
  const system = await AllInOne.start({ ...SETTINGS, DATABASE_URL: databaseUrl });
  lab.onStop(() => system.remove());
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 2 });
  try {
    const target: Target = { name: 'all-in-one', urls: system.urls, pool };
    await take(itemARequestRow(lab, target, 0.3));
    for (const row of latencyRows(lab, target, [{ share: 0.5, milliseconds: 3 }])) await take(row);
  } finally {
    await pool.end();
    await system.remove();
  }
}

async function measureGrowth(lab: Lab): Promise<Circumstances> {
  const system = await System.start(lab);
  try {
    for (const row of growthRows(lab, system, say)) await take(row);
    return await describeCircumstances(system.pool, { ...SETTINGS, times: TIMES });
  } finally {
    await system.stop();
  }
}

const lab = await Lab.start();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void lab.stop().finally(() => process.exit(1)));
}
try {
  say(HEADER);
  const circumstances = growth ? await measureGrowth(lab) : await measureCluster(lab);
  if (!growth) await measureAllInOne(lab);
  const file = growth ? 'bench/growth.json' : 'bench/results.json';
  await writeFile(file, `${JSON.stringify({ ...circumstances, rows: measured }, null, 2)}\n`);
  say(`Written to ${file}.`);
} finally {
  await lab.stop();
}
