import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { cpus, release, totalmem } from 'node:os';
import { promisify } from 'node:util';
import type pg from 'pg';
import { KAFKA_VERSION } from '../tools/kafka/local-kafka.js';
import type { Measured } from './row.js';

const run = promisify(execFile);

/** What a figure means nothing without. */
export interface Circumstances {
  readonly at: string;
  readonly commit: string;
  readonly machine: { readonly cpu: string; readonly cores: number; readonly memoryGiB: number; readonly kernel: string };
  readonly versions: Readonly<Record<string, string>>;
  readonly settings: Readonly<Record<string, unknown>>;
}

export async function describeCircumstances(pool: pg.Pool, settings: Readonly<Record<string, unknown>>): Promise<Circumstances> {
  const manifest = JSON.parse(await readFile('package.json', 'utf8')) as Record<string, Record<string, string>>;
  const packages = { ...manifest['dependencies'], ...manifest['devDependencies'] };
  const { rows } = await pool.query<Record<string, string>>(
    `select current_setting('server_version') as server_version, current_setting('fsync') as fsync,
            current_setting('synchronous_commit') as synchronous_commit, current_setting('shared_buffers') as shared_buffers`,
  );
  const { server_version: postgresql, ...database } = rows[0]!;
  const commit = await run('git', ['rev-parse', '--short', 'HEAD']).then(
    ({ stdout }) => stdout.trim(),
    () => 'unknown', // an image has no repository
  );
  return {
    at: new Date().toISOString(),
    commit,
    machine: {
      cpu: cpus()[0]?.model ?? 'unknown',
      cores: cpus().length,
      memoryGiB: Math.round(totalmem() / 2 ** 30),
      kernel: release(),
    },
    versions: {
      node: process.version,
      postgresql: postgresql!,
      kafka: KAFKA_VERSION,
      ...Object.fromEntries(['kafkajs', 'pg', 'undici', 'fastify', '@nestjs/core'].map((name) => [name, packages[name]!])),
    },
    settings: { ...database, 'kafka acks': 'all', ...settings },
  };
}

/** Four figures that matter, whatever the size. */
function figure(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString('en') : value.toPrecision(3);
}

/** One line of the table. */
export function line({ name, unit, goal, lessIsBetter, median, ratios, met, samples }: Measured): string {
  const spread = samples.length > 1 ? ` (${ratios.least.toFixed(2)}–${ratios.most.toFixed(2)})` : '';
  const verdict = goal === undefined ? '– | –' : `${lessIsBetter ? '≤' : '≥'} ${goal} | ${met ? 'yes' : 'no'}`;
  return `| ${name} | ${figure(median.value)} ${unit} | ${figure(median.limit)} | ${median.ratio.toFixed(2)}${spread} | ${verdict} |`;
}

export const HEADER = ['| row | Rollcall | limit | ratio, median (spread) | goal | met |', '|---|---|---|---|---|---|'].join(
  '\n',
);
