import { describe, expect, it } from 'vitest';
import { LocalKafka } from '../../tools/kafka/local-kafka.js';
import { runChaos, type ChaosOptions } from './chaos.js';
import { describe as table, shareOf } from './checker.js';

type Form = Omit<ChaosOptions, 'seed' | 'say'>;

/** Longer than the lease of a shard in both forms, which is 8 s beyond the timeout of an attempt, and than any session. */
const SHORT: Form = {
  agents: 120,
  durationMs: 0,
  faults: ['rebalance with slow receivers', 'partitions raised', 'database failover', 'kill -9 of a service', 'frozen service'],
  freezeMs: 11_000,
  pauseMs: 300,
  settleMs: 180_000,
};
const LONG: Form = { agents: 500, durationMs: 120_000, freezeMs: 20_000, pauseMs: 200, settleMs: 240_000 };

const long = process.env['CHAOS'] === 'long';
const seed = Number(process.env['CHAOS_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const say = (line: string): void => void process.stderr.write(`${line}\n`);

describe.skipIf((await LocalKafka.missing()) !== undefined)('under faults', () => {
  it(`nothing is lost, invented or out of order (CHAOS_SEED=${seed})`, async () => {
    const report = await runChaos({ ...(long ? LONG : SHORT), seed, say });
    say(table(report));
    for (const [name, { hits, repeats }] of Object.entries(report.faults)) {
      say(`  ${shareOf(report, repeats).padStart(14)} of ${hits} x ${name}`);
    }
    expect(report.expected).toBeGreaterThan(0);
    expect(report).toMatchObject({ lost: [], invented: [], outOfOrder: [], late: [] });
  }, 900_000);

  it.skipIf(long)(
    'sees it when a change is recorded before its deliveries are planned',
    async () => {
      const report = await runChaos({ ...SHORT, agents: 30, faults: [], settleMs: 10_000, sabotage: true, seed, say });
      expect(report.lost.length).toBeGreaterThan(0);
    },
    300_000,
  );
});
