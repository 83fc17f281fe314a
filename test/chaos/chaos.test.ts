import { describe, expect, it } from 'vitest';
import { LocalKafka } from '../../tools/kafka/local-kafka.js';
import { runChaos, type ChaosOptions } from './chaos.js';
import { describe as table } from './checker.js';

const SHORT: Omit<ChaosOptions, 'seed' | 'say'> = { agents: 120, durationMs: 25_000, freezeMs: 3000, settleMs: 120_000 };
const LONG: Omit<ChaosOptions, 'seed' | 'say'> = { agents: 2000, durationMs: 120_000, freezeMs: 40_000, settleMs: 300_000 };

const long = process.env['CHAOS'] === 'long';
const seed = Number(process.env['CHAOS_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const say = (line: string): void => void process.stderr.write(`${line}\n`);

describe.skipIf((await LocalKafka.missing()) !== undefined)('under faults', () => {
  it(
    `nothing is lost, invented or out of order (CHAOS_SEED=${seed})`,
    async () => {
      const report = await runChaos({ ...(long ? LONG : SHORT), seed, say });
      say(table(report));
      expect(report.expected).toBeGreaterThan(0);
      expect({ lost: report.lost, invented: report.invented, outOfOrder: report.outOfOrder }).toEqual({
        lost: [],
        invented: [],
        outOfOrder: [],
      });
    },
    long ? 900_000 : 300_000,
  );

  it('sees it when offsets are committed before the insert', async () => {
    const report = await runChaos({
      ...SHORT,
      agents: 30,
      durationMs: 2000,
      faults: ['kill -9 of a service'],
      settleMs: 10_000,
      sabotage: true,
      seed,
      say,
    });
    expect(report.lost.length).toBeGreaterThan(0);
  }, 300_000);
});
