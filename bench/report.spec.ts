import { describe as suite, expect, it } from 'vitest';
import { allProcessor, describe, isMet, type Results } from './report.js';
import { replaceBetweenMarks } from './publish.js';
import type { Goal, Measured, Measurement } from './row.js';

function measurement(value: number, processor?: Record<string, number>, limit?: number): Measurement {
  return {
    values: [value],
    items: 100,
    seconds: 1,
    processor,
    wal: 400,
    ...(limit !== undefined && { limit: { values: [limit] } }),
  };
}

const LOOP = measurement(20_000, { receiver: 30, limit: 40 });

/** A row with one sample for each list of builds. */
function rowOf(goal: Goal | undefined, ...samples: (readonly Measurement[])[]): Measured {
  return {
    name: 'a row',
    unit: 'items/s',
    figures: [goal ? { goal } : {}],
    limit: 'the limit',
    samples: samples.map((builds) => ({ loop: LOOP, limit: measurement(1000, { limit: 50 }), builds })),
  };
}

function resultsOf(builds: readonly string[], ...rows: Measured[]): Results {
  return {
    at: '2026-01-02T03:04:05.678Z',
    command: 'npm run bench',
    builds,
    times: 3,
    machine: { cpu: 'a processor', cores: 2, memoryGiB: 8, kernel: '6.1' },
    versions: { node: '24.0.0' },
    settings: { fsync: 'on' },
    rows,
  };
}

/** The cells of a row of a table. */
function cells(text: string, nth: number, name = 'a row'): string[] {
  const line = text.split('\n').filter((each) => each.startsWith(`| ${name} |`))[nth];
  return line!
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim());
}

suite('the tables of a run', () => {
  const samples = [
    [900, 10, 30],
    [500, 30, 30],
    [700, 20, 30],
  ] as const;
  const row = rowOf({ of: 'processor', atMost: 55 }, ...samples.map(([rate, a, b]) => [measurement(rate, { a, b })]));
  const text = describe(resultsOf(['abc1234'], row));

  it('tell median, least and most of each figure, beside the limit and the bare loop', () => {
    expect(cells(text, 0)).toEqual([
      'a row',
      '700 (500–900) items/s',
      '50 (40–60)',
      '400',
      '≤ 55 µs',
      'yes',
      '1,000',
      '50',
      '0.7 (0.5–0.9)',
      '20,000/s',
    ]);
  });

  it('split the time by process so that it adds up', () => {
    const [, ...split] = cells(text, 1);
    const figures = split.filter((cell) => cell !== '–').map(Number);
    expect(figures).toEqual([20, 30, 50]);
  });

  it('name the circumstances', () => {
    for (const word of ['npm run bench', '2026-01-02', 'abc1234', 'a processor', 'node 24.0.0', 'fsync on']) {
      expect(text).toContain(word);
    }
  });

  it('hold two builds against each other sample by sample', () => {
    const pairs = rowOf(
      undefined,
      [measurement(100, { a: 200 }), measurement(150, { a: 100 })],
      [measurement(200, { a: 100 }), measurement(220, { a: 80 })],
      [measurement(400, { a: 300 }), measurement(500, { a: 150 })],
    );
    expect(cells(describe(resultsOf(['old', 'new'], pairs)), 1)).toEqual([
      'a row',
      '200 (100–400)',
      '220 (150–500)',
      '1.25 (1.1–1.5)',
      '200 (100–300)',
      '100 (80–150)',
      '0.5 (0.5–0.8)',
      '400',
      '400',
    ]);
  });

  it('say so where the system does not tell processor times', () => {
    const without: Measured = { ...rowOf({ of: 'processor', atMost: 10 }, [measurement(5)]), limit: undefined };
    expect(describe(resultsOf(['abc1234'], without))).toContain('there is no /proc');
  });
});

suite('isMet', () => {
  it.each<[Goal, boolean | undefined]>([
    [{ of: 'processor', atMost: 50 }, true],
    [{ of: 'processor', atMost: 49 }, false],
    [{ of: 'value', atLeast: 800 }, true],
    [{ of: 'value', atMost: 799 }, false],
    [{ of: 'ratio', atLeast: 0.8 }, true],
    [{ of: 'ratio', atLeast: 0.81 }, false],
  ])('holds %j against the median: %s', (goal, met) => {
    const builds = [700, 800, 900].map((value) => [measurement(value, { a: 20, b: 30 })]);
    expect(isMet(rowOf(goal, ...builds), 0)).toBe(met);
  });

  it('takes the limit that the measurement itself tells before the one beside it', () => {
    expect(isMet(rowOf({ of: 'ratio', atLeast: 0.9 }, [measurement(90, undefined, 100)]), 0)).toBe(true);
  });

  it('is open without a goal, and without a figure', () => {
    expect(isMet(rowOf(undefined, [measurement(1)]), 0)).toBeUndefined();
    expect(isMet(rowOf({ of: 'processor', atMost: 1 }, [measurement(1)]), 0)).toBeUndefined();
    expect(allProcessor(measurement(1))).toBeUndefined();
  });
});

suite('replaceBetweenMarks', () => {
  const text = 'before\n<!-- results -->\nold\n<!-- end of results -->\nafter';

  it('leaves what is around the marks', () => {
    expect(replaceBetweenMarks(text, 'results', 'new')).toBe('before\n<!-- results -->\n\nnew\n\n<!-- end of results -->\nafter');
  });

  it('refuses a text without the marks', () => {
    expect(() => replaceBetweenMarks(text, 'growth', 'new')).toThrow(/growth/);
  });
});
