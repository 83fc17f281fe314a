import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { LocalKafka } from '../../tools/kafka/local-kafka.js';

/** A record as another team's Java service writes it. */
export interface JavaRecord {
  readonly topic: string;
  /** 0 unless said. */
  readonly partition?: number;
  readonly key: string | Buffer | null;
  readonly value: string | Buffer | null;
  readonly headers?: readonly (readonly [name: string, value: string | Buffer | null])[];
}

export type JavaStep = JavaRecord | 'begin' | 'commit' | 'abort' | 'flush';

/**
 * Has Kafka's own producer, of the jars that the local broker runs on, do these steps. Resolves when all is acknowledged.
 *
 * @param properties of the producer, such as `compression.type`
 */
export async function produceWithJava(
  brokers: readonly string[],
  properties: Readonly<Record<string, string | number>>,
  steps: readonly JavaStep[],
): Promise<void> {
  const all = { 'bootstrap.servers': brokers.join(','), 'batch.size': 1_000_000, 'linger.ms': 1000, ...properties };
  const child = spawn(
    'java',
    [
      ...['-Xmx512m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Dorg.slf4j.simpleLogger.defaultLogLevel=error'],
      ...['-cp', join(await LocalKafka.jars(), '*'), join(import.meta.dirname, 'JavaProducer.java')],
      ...Object.entries(all).map(([name, value]) => `${name}=${value}`),
    ],
    { stdio: ['pipe', 'ignore', 'pipe'] },
  );
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  child.stdin.on('error', () => undefined); // it ended before it read all; its exit code says why
  child.stdin.end(steps.map(lineOf).join(''));
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code !== 0) throw new Error(`the Java producer failed: ${errors.slice(0, 4000)}`);
}

function lineOf(step: JavaStep): string {
  if (typeof step === 'string') return `${step}\n`;
  const { topic, partition = 0, key, value, headers = [] } = step;
  return `${['send', topic, partition, ...[key, value, ...headers.flat()].map(wordOf)].join(' ')}\n`;
}

function wordOf(bytes: string | Buffer | null): string {
  return bytes === null ? '~' : `=${Buffer.from(bytes).toString('base64')}`;
}
