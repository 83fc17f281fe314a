import { describe, expect, it } from 'vitest';
import { CommandLineError, parseCommandLine } from './command-line.js';

describe('parseCommandLine', () => {
  it('measures every row three times when nothing is said', () => {
    expect(parseCommandLine([])).toMatchObject({ rows: [], times: 3, items: undefined, against: undefined, publish: false });
  });

  it('takes rows, samples, items and the other build in any order', () => {
    expect(parseCommandLine(['--times', '5', 'dispatcher', '--items=600', 'latency', '--against', 'v1.0'])).toMatchObject({
      rows: ['dispatcher', 'latency'],
      times: 5,
      items: 600,
      against: 'v1.0',
    });
  });

  it.each([
    [['--times', '0'], '--times'],
    [['--times', '1.5'], '--times'],
    [['--items', 'many'], '--items'],
    [['--items'], '--items'],
    [['--agianst', 'main'], '--agianst'],
  ])('refuses %j, and names what is wrong', (args, name) => {
    expect(() => parseCommandLine(args)).toThrow(CommandLineError);
    expect(() => parseCommandLine(args)).toThrow(name);
  });

  it.each([[['--publish']], [['--publish', 'growth']], [['--publish', 'many']], [['growth', '--publish', '--against', 'main']]])(
    'publishes a whole run: %j',
    (args) => {
      expect(parseCommandLine(args).publish).toBe(true);
    },
  );

  it.each([
    [['--publish', 'dispatcher']],
    [['--publish', '--items', '5']],
    [['--publish', 'growth', 'latency']],
    [['--publish', 'growth', 'many']],
  ])('does not publish a part of one: %j', (args) => {
    expect(() => parseCommandLine(args)).toThrow(/--publish/);
  });
});
