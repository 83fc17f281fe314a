/** Writes a value as JSON for programs, as the REST API has it. */
export function asJson(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

/** Writes rows in columns under their titles, a line each. */
export function asTable(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [titles, ...rows.map((row) => row.map(printable))];
  const widths = titles.map((_title, column) => Math.max(...lines.map((line) => line[column]!.length)));
  return lines.map((line) => `${padded(line, widths)}\n`).join('');
}

/** Writes the fields of one thing, a line each; those that are null are left out. */
export function asFields(thing: object): string {
  const fields = Object.entries(thing).filter(([, value]) => value !== null);
  const width = Math.max(...fields.map(([name]) => name.length));
  return fields.map(([name, value]) => `${name.padEnd(width)}  ${printable(String(value))}\n`).join('');
}

function padded(line: readonly string[], widths: readonly number[]): string {
  return line
    .map((cell, column) => cell.padEnd(widths[column]!))
    .join('  ')
    .trimEnd();
}

/** Names must not steer the terminal. */
function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, '?');
}
