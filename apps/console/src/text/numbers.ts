const grouped = new Intl.NumberFormat();

/** `12,345`, as the reader writes it. */
export function formatCount(value: number): string {
  return grouped.format(value);
}

/** The digits of a text: `12` of `12a`. */
export function digitsOf(text: string): string {
  return text.replace(/[^0-9]/g, '');
}

/** `1 agent event`, `3 agent events`. */
export function countOf(value: number, one: string, many = `${one}s`): string {
  return `${formatCount(value)} ${value === 1 ? one : many}`;
}
