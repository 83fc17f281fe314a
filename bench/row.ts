import type { Lab } from './lab/lab.js';
import type { Target } from './lab/target.js';

/** What came of some items in one timed window. */
export interface Measurement {
  /** One for each of the row's figures, in their order. */
  readonly values: readonly number[];
  readonly items: number;
  readonly seconds: number;
  /** Processor time an item, by process, in microseconds; undefined where the system does not tell it. */
  readonly processor?: Readonly<Record<string, number>> | undefined;
  /** Bytes of PostgreSQL's write-ahead log an item; undefined where there is no database. */
  readonly wal?: number | undefined;
  /** What stands beside it in a row whose limit is the build itself under other circumstances. */
  readonly limit?: Beside | undefined;
}

/** What a measurement is held against. */
export type Beside = Pick<Measurement, 'values' | 'processor'>;

/** Puts so many items through, and waits until nothing of them is left to do. */
export type Round = (items: number) => Promise<Measurement>;

/** What a figure should come to: a bound of its value, of its ratio to the limit, or of all processor time an item (µs). */
export interface Goal {
  readonly of: 'value' | 'ratio' | 'processor';
  readonly atMost?: number;
  readonly atLeast?: number;
}

export interface Figure {
  /** Tells it from the row's other figures. */
  readonly name?: string;
  /** None: for orientation. */
  readonly goal?: Goal;
}

/** What can be had at all on this machine: a program that does only what cannot be left out. */
export interface Limit<T extends Target = Target> {
  readonly name: string;
  readonly prepare: (lab: Lab, target: T) => Promise<Round>;
}

/** What is measured, of targets of one kind. */
export interface Row<T extends Target = Target> {
  readonly name: string;
  readonly unit: 'notifications/s' | 'items/s' | 'requests/s' | 'ms' | 'MiB';
  readonly figures: readonly Figure[];
  /** In the timed window. */
  readonly items: number;
  /**
   * `loop`: the bare loop, which is measured with every row. Another name: what the measurement itself tells. None: nothing has a
   * name that stands beside it.
   */
  readonly limit?: 'loop' | 'one instance' | Limit<T>;
  /** Its round warms up by itself what it starts. */
  readonly isWarm?: boolean;
  readonly prepare: (lab: Lab, target: T) => Promise<Round>;
}

/** The builds and what stands beside them, measured one after the other. */
export interface Sample {
  readonly loop: Measurement;
  readonly limit?: Measurement | undefined;
  /** By build, in the order of the targets. */
  readonly builds: readonly Measurement[];
}

export interface Measured {
  readonly name: string;
  readonly unit: string;
  readonly figures: readonly Figure[];
  readonly limit: string | undefined;
  readonly samples: readonly Sample[];
}

/** Items that go ahead of each timed window: half of a cold process's time is the compiler's. */
export const WARM_UP = 2000;
const LOOP_NAME = 'bare loop';

/**
 * Measures a row: each sample the bare loop, the limit and every target's build, in turn, so that they share the machine's mood.
 *
 * @param times samples
 */
export async function measure<T extends Target>(row: Row<T>, lab: Lab, targets: readonly T[], times: number): Promise<Measured> {
  const limit = typeof row.limit === 'object' ? await row.limit.prepare(lab, targets[0]!) : undefined;
  const rounds: Round[] = [];
  for (const target of targets) rounds.push(await row.prepare(lab, target));

  const warmed = async (round: Round): Promise<Measurement> => {
    await round(Math.min(WARM_UP, row.items));
    return round(row.items);
  };
  const samples: Sample[] = [];
  for (let nth = 0; nth < times; nth++) {
    const loop = await lab.bareLoop();
    const beside = limit ? await warmed(limit) : row.limit === 'loop' ? loop : undefined;
    const builds: Measurement[] = [];
    for (const round of rounds) builds.push(await (row.isWarm ? round(row.items) : warmed(round)));
    samples.push({ loop, limit: beside, builds });
  }
  const limitName = typeof row.limit === 'object' ? row.limit.name : row.limit === 'loop' ? LOOP_NAME : row.limit;
  return { name: row.name, unit: row.unit, figures: row.figures, limit: limitName, samples };
}
