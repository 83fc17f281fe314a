import type { SentRequest } from '../api/types';

/** Headers that only Rollcall can write, since the secret is not in the command. */
const LEFT_OUT = 'webhook-signature';

/** Writes the request as a curl command, without the signature. Pure. */
export function asCurl({ method, url, body, headers }: SentRequest): string {
  const lines = [`curl -i -X ${method} ${quote(url)}`];
  for (const [name, value] of Object.entries(headers)) {
    if (name.toLowerCase() !== LEFT_OUT) lines.push(`-H ${quote(`${name}: ${value}`)}`);
  }
  if (body !== null && body !== '') lines.push(`--data-raw ${quote(body)}`);
  return lines.join(' \\\n  ');
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
