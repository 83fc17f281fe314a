const grouped = new Intl.NumberFormat();

/** Writes a count as the reader writes it: `12,345`. */
export function formatCount(value: number): string {
  return grouped.format(value);
}

/** Returns the digits of a text: `12` of `12a`. */
export function digitsOf(text: string): string {
  return text.replace(/[^0-9]/g, '');
}

/** Writes a count with its noun: `1 agent event`, `3 agent events`. */
export function countOf(value: number, one: string, many = `${one}s`): string {
  return `${formatCount(value)} ${value === 1 ? one : many}`;
}
