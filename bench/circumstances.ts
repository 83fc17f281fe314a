import { readFile } from 'node:fs/promises';
import { cpus, release, totalmem } from 'node:os';
import type pg from 'pg';
import { KAFKA_VERSION } from '../tools/kafka/local-kafka.js';

/** What a figure means nothing without. */
export interface Circumstances {
  readonly at: string;
  /** As it was typed. */
  readonly command: string;
  /** The names of the builds, this tree's last. */
  readonly builds: readonly string[];
  /** Samples of each row. */
  readonly times: number;
  readonly machine: { readonly cpu: string; readonly cores: number; readonly memoryGiB: number; readonly kernel: string };
  readonly versions: Readonly<Record<string, string>>;
  readonly settings: Readonly<Record<string, unknown>>;
}

const LIBRARIES = ['kafkajs', 'pg', 'undici', 'fastify', '@nestjs/core'] as const;

/** @param pool of a server that is measured */
export async function describeCircumstances(
  pool: pg.Pool,
  run: Pick<Circumstances, 'command' | 'builds' | 'times'>,
  settings: Readonly<Record<string, unknown>>,
): Promise<Circumstances> {
  const manifest = JSON.parse(await readFile('package.json', 'utf8')) as Record<string, Record<string, string>>;
  const packages = { ...manifest['dependencies'], ...manifest['devDependencies'] };
  const { rows } = await pool.query<Record<string, string>>(
    `select current_setting('server_version') as server_version, current_setting('fsync') as fsync,
            current_setting('synchronous_commit') as synchronous_commit, current_setting('shared_buffers') as shared_buffers`,
  );
  const { server_version: postgresql, ...database } = rows[0]!;
  return {
    at: new Date().toISOString(),
    ...run,
    machine: {
      cpu: cpus()[0]?.model ?? 'unknown',
      cores: cpus().length,
      memoryGiB: Math.round(totalmem() / 2 ** 30),
      kernel: release(),
    },
    versions: {
      node: process.versions.node,
      postgresql: postgresql!,
      kafka: KAFKA_VERSION,
      ...Object.fromEntries(LIBRARIES.map((name) => [name, packages[name]!])),
    },
    settings: { ...database, 'kafka acks': 'all', ...settings },
  };
}
