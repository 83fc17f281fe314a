/**
 * Writes a PostgreSQL array literal of what needs no quotes: numbers, UUIDs, ISO dates and our own words. The driver would quote
 * and escape every element, which at thousands of rows a second costs as much as the rest of the statement.
 */
export function arrayOfPlain<T>(items: readonly T[], value: (item: T) => string | number | boolean | null | undefined): string {
  let literal = '{';
  for (let index = 0; index < items.length; index++) {
    if (index > 0) literal += ',';
    literal += String(value(items[index]!) ?? 'NULL');
  }
  return `${literal}}`;
}

/** Whether a text can stand in {@link arrayOfPlain}: not empty, nothing that an array literal reads as its own, and not `NULL`. */
const PLAIN = /^[A-Za-z0-9][A-Za-z0-9 ._:/+-]*[A-Za-z0-9._:/+-]$|^[A-Za-z0-9]$/;

/** Writes a PostgreSQL array literal of any texts; those that need it are quoted and escaped. */
export function arrayOfTexts<T>(items: readonly T[], value: (item: T) => string | null): string {
  return arrayOfPlain(items, (item) => {
    const text = value(item);
    return text === null ? null : quoted(text);
  });
}

function quoted(text: string): string {
  if (PLAIN.test(text) && !/^null$/i.test(text)) return text;
  return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}
