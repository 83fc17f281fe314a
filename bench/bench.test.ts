import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, expect, inject, describe, it } from 'vitest';
import { tellsProcessorTime } from './lab/processor.js';
import { allProcessor, type Results } from './report.js';

const run = promisify(execFile);

const MAIN = join('dist', 'bench', 'main.js');
const ROW = 'an item a request over HTTP, 64 connections: three services';
const MANY = 'many: changes waiting in Kafka → notified and recorded, 2 instances';
const ITEMS = 600;

/** Measures the rows once, with few items. @returns the results, and the tables as they are printed */
async function runRow(row: string): Promise<{ readonly results: Results; readonly tables: string }> {
  const directory = await mkdtemp(join(tmpdir(), 'rollcall-bench-test-'));
  try {
    const file = join(directory, 'results.json');
    const args = [MAIN, row, '--times', '1', '--items', String(ITEMS), '--results', file];
    const { stdout: tables } = await run(process.execPath, args);
    return { results: JSON.parse(await readFile(file, 'utf8')) as Results, tables };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

const hasKafka = inject('kafkaBrokers').length > 0;

describe('the bench', () => {
  it('says how it is used', async () => {
    const { stdout } = await run(process.execPath, [MAIN, '--help']);
    for (const word of ['rows', '--times', '--items', '--against', '--publish']) expect(stdout).toContain(word);
  });

  it.each([
    [['--tmies', '3'], '--tmies'],
    [['--against', 'no-such-commit', '--items', '1', 'dispatcher'], 'no-such-commit'],
  ])('ends with one line on %j', async (args, word) => {
    const error = await run(process.execPath, [MAIN, ...args]).then(
      () => undefined,
      (reason: unknown) => reason as { code: number; stderr: string },
    );
    expect(error).toMatchObject({ code: 1 });
    expect(error!.stderr).toContain(word);
    expect(error!.stderr).not.toContain('    at ');
  });
});

/** Tells that the bench still works on the services as they are; its figures of so few items mean nothing. */
describe.skipIf(!hasKafka)('a row of the bench', () => {
  let results: Results;
  let tables: string;

  beforeAll(async () => {
    ({ results, tables } = await runRow(ROW));
  }, 600_000);

  it('has the row, its limit and the bare loop, each with a rate', () => {
    expect(results.rows.map(({ name }) => name)).toEqual([ROW]);
    const { loop, limit, builds } = results.rows[0]!.samples[0]!;
    expect(builds).toHaveLength(1);
    for (const measured of [loop, limit!, builds[0]!]) {
      expect(measured.items).toBe(ITEMS);
      expect(measured.values[0]).toBeCloseTo(measured.items / measured.seconds, 5);
    }
    expect(builds[0]!.wal).toBeGreaterThan(100);
  });

  it.skipIf(!tellsProcessorTime())('tells the processor time of every process, which adds up to what there is', () => {
    const [measured] = results.rows[0]!.samples[0]!.builds;
    const { processor } = measured!;
    const names = ['PostgreSQL', 'Kafka', 'subscription-api', 'presence', 'dispatcher', 'receiver', 'load'];
    expect(Object.keys(processor!).sort()).toEqual(names.sort());
    for (const name of names.filter((each) => each !== 'subscription-api')) expect(processor![name], name).toBeGreaterThan(0);
    const all = Object.values(processor!).reduce((sum, each) => sum + each, 0);
    expect(allProcessor(measured!)).toBeCloseTo(all, 5);
    // Less than all cores have in the timed window and the few seconds in which what is left is done.
    expect((all * ITEMS) / 1e6).toBeLessThan((measured!.seconds + 60) * cpus().length);
  });

  it('prints the tables', () => {
    expect(tables).toContain(`| ${ROW} | `);
    expect(tables).toContain('| PostgreSQL | Kafka |');
  });
});

describe.skipIf(!hasKafka)('a row of many instances', () => {
  it('has one instance beside two', { timeout: 600_000 }, async () => {
    const { results, tables } = await runRow(MANY);
    expect(results.rows.map(({ name }) => name)).toEqual([MANY]);
    const [measured] = results.rows[0]!.samples[0]!.builds;
    const { limit, items, seconds, values } = measured!;
    expect(values[0]).toBeCloseTo(items / seconds, 5);
    expect(limit!.values[0]).toBeGreaterThan(0);
    expect(tables).toContain('| limit: one instance | ');
  });
});
