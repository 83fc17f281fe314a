import { parseArgs } from 'node:util';

/** What a run of the bench is told. */
export interface CommandLine {
  /** Parts of rows' names; none: all rows but those of {@link RUNS}. */
  readonly rows: readonly string[];
  /** Samples of each row. */
  readonly times: number;
  /** Items in each timed window; undefined: each row's own. */
  readonly items: number | undefined;
  /** The commit whose services are measured in turn with this tree's. */
  readonly against: string | undefined;
  readonly publish: boolean;
  /** Where all samples are written. */
  readonly results: string;
  readonly help: boolean;
}

/** A command line that means nothing; the message says what to write instead. */
export class CommandLineError extends Error {
  override readonly name = 'CommandLineError';
}

export const USAGE = `npm run bench -- [rows …] [options]

  rows              parts of rows' names; without any: all but those of growth and many
  growth            the dispatcher on tables that grow: a run of its own
  many              the same work for one, two and four instances: a run of its own
  --times <n>       samples of each row (3)
  --items <n>       items in each timed window, instead of each row's own; few make a run that only shows that it works
  --against <ref>   builds that commit below .cache/builds, and measures its services in turn with this tree's
  --publish         writes bench/results.json (or bench/growth.json, bench/many.json) and the tables of bench/README.md
  --results <file>  where all samples are written as JSON (.cache/bench.json)
  --help            this text
`;

/** @throws CommandLineError */
export function parseCommandLine(args: readonly string[]): CommandLine {
  const { values, positionals } = parse(args);
  const line: CommandLine = {
    rows: positionals,
    times: positiveInteger('times', values.times) ?? 3,
    items: positiveInteger('items', values.items),
    against: values.against,
    publish: values.publish,
    results: values.results,
    help: values.help,
  };
  const whole = positionals.length === 0 || (positionals.length === 1 && isRunOfItsOwn(positionals[0]));
  if (line.publish && (!whole || line.items !== undefined)) {
    throw new CommandLineError('--publish: publishes whole runs only, so name no rows and no --items beside it');
  }
  return line;
}

/** Whose rows are measured only when they are asked for: tables that grow take minutes to fill, and instances to come and go. */
export const RUNS = ['growth', 'many'] as const;
export type RunOfItsOwn = (typeof RUNS)[number];

/** @param row part of a row's name */
export function isRunOfItsOwn(row: string | undefined): row is RunOfItsOwn {
  return RUNS.some((run) => run === row);
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        times: { type: 'string' },
        items: { type: 'string' },
        against: { type: 'string' },
        publish: { type: 'boolean', default: false },
        results: { type: 'string', default: '.cache/bench.json' },
        help: { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    throw new CommandLineError((error as Error).message);
  }
}

function positiveInteger(name: string, value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  if (!/^[1-9]\d{0,8}$/.test(value)) throw new CommandLineError(`--${name}: must be a whole number from 1, not "${value}"`);
  return Number(value);
}
