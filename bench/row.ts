/** One measurement of a row: what Rollcall did, and what the limit beside it did in the same minute. */
export interface Sample {
  readonly value: number;
  readonly limit: number;
}

/** What is measured, and what it should come to. */
export interface Row {
  readonly name: string;
  /** What stands beside it. */
  readonly limit: string;
  readonly unit: string;
  /** At least this share of the limit; or, where less is better, at most this many times the limit. None: for orientation. */
  readonly goal?: number;
  readonly lessIsBetter?: boolean;
  /** Prepares, and gives back how one sample is taken. */
  readonly prepare: () => Promise<() => Promise<Sample>>;
}

export interface Measured {
  readonly name: string;
  readonly limit: string;
  readonly unit: string;
  readonly goal: number | undefined;
  readonly lessIsBetter: boolean;
  readonly samples: readonly Sample[];
  /** Medians; the ratio is the median of the samples' ratios, since both sides of a sample share the machine's mood. */
  readonly median: Sample & { readonly ratio: number };
  readonly ratios: { readonly least: number; readonly most: number };
  readonly met: boolean | undefined;
}

export function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The value below which that share of all lies; NaN of nothing. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((left, right) => left - right);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
}

export async function measure(row: Row, times: number): Promise<Measured> {
  const take = await row.prepare();
  const samples: Sample[] = [];
  for (let nth = 0; nth < times; nth++) samples.push(await take());
  const ratios = samples.map(({ value, limit }) => value / limit);
  const ratio = medianOf(ratios);
  const lessIsBetter = row.lessIsBetter ?? false;
  return {
    name: row.name,
    limit: row.limit,
    unit: row.unit,
    goal: row.goal,
    lessIsBetter,
    samples,
    median: { value: medianOf(samples.map(({ value }) => value)), limit: medianOf(samples.map(({ limit }) => limit)), ratio },
    ratios: { least: Math.min(...ratios), most: Math.max(...ratios) },
    met: row.goal === undefined ? undefined : lessIsBetter ? ratio <= row.goal : ratio >= row.goal,
  };
}
