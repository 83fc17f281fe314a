const grouped = new Intl.NumberFormat();

/** `12,345`, as the reader writes it. */
export function formatCount(value: number): string {
  return grouped.format(value);
}

/** `1 agent event`, `3 agent events`. */
export function countOf(value: number, one: string, many = `${one}s`): string {
  return `${formatCount(value)} ${value === 1 ? one : many}`;
}
