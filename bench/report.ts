import type { Circumstances } from './circumstances.js';
import type { Beside, Figure, Measured, Measurement, Sample } from './row.js';
import { medianOf } from './statistics.js';

/** All of a run: what is written as JSON, and what the tables are made of. */
export interface Results extends Circumstances {
  readonly rows: readonly Measured[];
}

const NOTHING = '–';

/** The run in Markdown: what it was measured on, and its tables. */
export function describe({ rows, ...circumstances }: Results): string {
  const paired = circumstances.builds.length > 1;
  return [
    words(circumstances),
    table(FIGURE_HEADER, rows.flatMap(figureLines)),
    ...(paired ? ['Both builds in turn:', table(PAIR_HEADER, rows.flatMap(pairLines))] : []),
    'Processor time an item by process, in µs, of the sample with the median sum:',
    processTable(rows),
  ].join('\n\n');
}

/** One line of what a row came to. */
export function summary(row: Measured): string {
  return figureLines(row)
    .map(([name, value, processor]) => `${name}: ${value}, ${processor} µs an item`)
    .join('\n');
}

function words({ at, command, builds, times, machine, versions, settings }: Omit<Circumstances, 'rows'>): string {
  const list = (record: Readonly<Record<string, unknown>>): string =>
    Object.entries(record)
      .map(([name, value]) => `${name} ${String(value)}`)
      .join(', ');
  const [build, before] = [...builds].reverse();
  return [
    `\`${command}\`, ${at.slice(0, 10)}, commit ${build}${before === undefined ? '' : ` in turn with ${before}`}, ${times} samples a row:`,
    `median (least–most). ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, kernel ${machine.kernel}.`,
    `Versions: ${list(versions)}. Settings: ${list(settings)}.`,
  ].join('\n');
}

/** Processor time an item of all processes together, in µs. */
export function allProcessor({ processor }: Pick<Measurement, 'processor'>): number | undefined {
  return processor && Object.values(processor).reduce((sum, each) => sum + each, 0);
}

/** Of this tree's build, which comes last. */
function own({ builds }: Sample): Measurement {
  return builds.at(-1)!;
}

const FIGURE_HEADER = [
  'row',
  'Rollcall',
  'µs an item',
  'WAL, bytes an item',
  'goal',
  'met',
  'limit',
  'limit, µs',
  'ratio',
  'bare loop',
];

function figureLines(row: Measured): string[][] {
  return row.figures.map((figure, nth) => {
    const { samples } = row;
    const goal = figure.goal;
    return [
      nameOf(row, figure),
      `${spread(samples.map((sample) => own(sample).values[nth]!))} ${row.unit}`,
      spread(samples.map((sample) => allProcessor(own(sample)))),
      spread(samples.map((sample) => own(sample).wal)),
      goal === undefined ? NOTHING : goalText(goal, row.unit),
      goal === undefined ? NOTHING : isMet(row, nth) ? 'yes' : 'no',
      spread(samples.map((sample) => limitOf(sample)?.values[nth])),
      spread(samples.map((sample) => allProcessor(limitOf(sample) ?? {}))),
      spread(ratios(row, nth)),
      `${spread(samples.map(({ loop }) => loop.values[0]!))}/s`,
    ];
  });
}

const PAIR_HEADER = [
  'row',
  'before',
  'after',
  'after ÷ before',
  'µs before',
  'µs after',
  'after ÷ before',
  'WAL before',
  'WAL after',
];

function pairLines(row: Measured): string[][] {
  const pair = (read: (measured: Measurement) => number | undefined): string[] => {
    const pairs = row.samples.map(({ builds: [before, after] }) => [read(before!), read(after!)] as const);
    const quotients = pairs.map(([before, after]) => before && after && after / before);
    return [spread(pairs.map(([before]) => before)), spread(pairs.map(([, after]) => after)), spread(quotients)];
  };
  return row.figures.map((figure, nth) => [
    nameOf(row, figure),
    ...pair(({ values }) => values[nth]),
    ...pair(allProcessor),
    ...pair(({ wal }) => wal).slice(0, 2),
  ]);
}

function processTable(rows: readonly Measured[]): string {
  const lines = rows.flatMap(({ name, limit, samples }) => [
    { name, split: typical(samples.map(own)) },
    ...(limit === undefined
      ? []
      : [{ name: `limit: ${limit}`, split: typical(samples.flatMap((sample) => limitOf(sample) ?? [])) }]),
  ]);
  const told = lines.flatMap(({ name, split }) => (split ? [{ name, split }] : []));
  if (told.length === 0) return 'This system does not tell the processor time of processes (there is no /proc).';
  const names = [...new Set(told.flatMap(({ split }) => Object.keys(split)))];
  return table(
    ['row', ...names, 'all'],
    told.map(({ name, split }) => {
      const all = Object.values(split).reduce((sum, each) => sum + each, 0);
      return [name, ...names.map((each) => (split[each] === undefined ? NOTHING : figure(split[each]))), figure(all)];
    }),
  );
}

/** The split of the measurement that has the median sum, so that the columns add up. */
function typical(measurements: readonly Beside[]): Readonly<Record<string, number>> | undefined {
  const told = measurements.filter(({ processor }) => processor !== undefined);
  const sorted = told.sort((left, right) => allProcessor(left)! - allProcessor(right)!);
  return sorted[(sorted.length - 1) >> 1]?.processor;
}

function nameOf(row: Measured, figure: Figure): string {
  return figure.name === undefined ? row.name : `${row.name}, ${figure.name}`;
}

/** What this tree's build is held against: what its own measurement tells comes first. */
function limitOf(sample: Sample): Beside | undefined {
  return own(sample).limit ?? sample.limit;
}

/** Of what this tree's build did to the limit beside it in the same sample. */
function ratios({ samples }: Measured, nth: number): (number | undefined)[] {
  return samples.map((sample) => {
    const limit = limitOf(sample)?.values[nth];
    return limit && own(sample).values[nth]! / limit;
  });
}

function goalText({ of, atMost, atLeast }: NonNullable<Figure['goal']>, unit: string): string {
  const bound = atMost === undefined ? `≥ ${atLeast}` : `≤ ${atMost}`;
  return { value: `${bound} ${unit}`, ratio: `ratio ${bound}`, processor: `${bound} µs` }[of];
}

/** @returns undefined where there is no goal, or nothing to hold against it */
export function isMet(row: Measured, nth: number): boolean | undefined {
  const goal = row.figures[nth]!.goal;
  if (!goal) return undefined;
  const figures = {
    value: () => row.samples.map((sample) => own(sample).values[nth]),
    ratio: () => ratios(row, nth),
    processor: () => row.samples.map((sample) => allProcessor(own(sample))),
  }[goal.of]();
  const there = figures.filter((value) => value !== undefined);
  if (there.length === 0) return undefined;
  const median = medianOf(there);
  return median <= (goal.atMost ?? Infinity) && median >= (goal.atLeast ?? -Infinity);
}

/** Median, least and most. */
function spread(values: readonly (number | undefined)[]): string {
  const there = values.filter((value) => value !== undefined);
  if (there.length === 0) return NOTHING;
  const [least, most] = [figure(Math.min(...there)), figure(Math.max(...there))];
  return least === most ? most : `${figure(medianOf(there))} (${least}–${most})`;
}

/** Three figures that matter, or all before the point. */
function figure(value: number): string {
  if (value === 0) return '0';
  return Math.abs(value) >= 100 ? Math.round(value).toLocaleString('en') : String(Number(value.toPrecision(3)));
}

/** A table in Markdown. */
export function table(header: readonly string[], lines: readonly (readonly string[])[]): string {
  const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [row(header), row(header.map(() => '---')), ...lines.map(row)].join('\n');
}
