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

/** What is known of something: by title, one thing or a list of things; null: there is none. */
export type Sections = Readonly<Record<string, object | null>>;

/** Writes sections under their titles: one thing by {@link asFields}, a list by {@link asTable}. */
export function asSections(sections: Sections): string {
  return Object.entries(sections)
    .map(([title, section]) => `${title}\n${indented(asSection(section))}`)
    .join('\n');
}

function asSection(section: object | null): string {
  if (section === null || (Array.isArray(section) && section.length === 0)) return 'none\n';
  if (!Array.isArray(section)) return asFields(section);
  const rows = section as readonly object[];
  return asTable(
    Object.keys(rows[0]!),
    rows.map((row) => Object.values(row).map((value) => (value === null ? '-' : textOf(value)))),
  );
}

function indented(lines: string): string {
  return lines.replace(/^(?=.)/gm, '  ');
}

/** Writes the fields of one thing, a line each; those that are null are left out. */
export function asFields(thing: object): string {
  const fields = Object.entries(thing).filter(([, value]) => value !== null);
  const width = Math.max(...fields.map(([name]) => name.length));
  return fields.map(([name, value]) => `${name.padEnd(width)}  ${printable(textOf(value))}\n`).join('');
}

/** Times are written as the REST API has them. */
function textOf(value: unknown): string {
  return value instanceof Date ? value.toISOString() : String(value);
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
