import type { Application, ApplicationWithSecret } from '#applications';

/** An application, a line for each field; the secret last. */
export function describe(application: Application | ApplicationWithSecret): string {
  const fields = Object.entries(application).filter(([, value]) => value !== null);
  const lines = fields.map(([name, value]) => `${name.padEnd(11)} ${printable(String(value))}`);
  if ('secret' in application) lines.push('', 'Keep the secret: it is not shown again.');
  return `${lines.join('\n')}\n`;
}

/** Applications, a line each, in columns; where there are none, how to make one. */
export function table(applications: readonly Application[]): string {
  if (applications.length === 0) {
    return 'There are no applications yet. The first one: npm run app -- create <app_id> --client <client_id> --access platform\n';
  }
  const rows = [
    ['app_id', 'client_id', 'access', 'created_at', 'revoked_at'],
    ...applications.map(({ app_id, client_id, access, created_at, revoked_at }) => [
      printable(app_id),
      String(client_id),
      access,
      created_at,
      revoked_at ?? '-',
    ]),
  ];
  const widths = rows[0]!.map((_title, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows
    .map(
      (row) =>
        `${row
          .map((cell, column) => cell.padEnd(widths[column]!))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('');
}

/** Names must not steer the terminal. */
function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, '?');
}
