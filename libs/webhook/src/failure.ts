/** Turns what the network throws, and what strangers answer, into text for people and for PostgreSQL. Pure. */

/** Most bytes of an answer that are kept: contract §6. */
export const MAX_KEPT_BYTES = 4096;

const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection closed before the answer was complete',
  EPIPE: 'connection closed before the answer was complete',
  UND_ERR_SOCKET: 'connection closed before the answer was complete',
  UND_ERR_CONNECT_TIMEOUT: 'no connection within 5 s',
  ETIMEDOUT: 'no connection within 5 s',
  ENOTFOUND: 'host name not found',
  EAI_AGAIN: 'host name lookup failed',
  EHOSTUNREACH: 'host unreachable',
  ENETUNREACH: 'network unreachable',
  UND_ERR_HEADERS_OVERFLOW: 'answer with too long headers',
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'answer shorter or longer than its Content-Length',
};

const MAX_WORDS = 300;
/** Node's advice on how to start it, which is of no use to whom we tell the failure. */
const NODE_HINT = /; if the root CA is installed locally.*$/s;

/**
 * What went wrong with an attempt.
 *
 * @param timeoutMs the timeout of the whole exchange, in milliseconds
 */
export function describeFailure(error: unknown, timeoutMs: number): string {
  if (!(error instanceof Error)) return storable(String(error));
  if (error.name === 'DestinationRefusedError') return error.message;
  if (error.name === 'ExchangeTimeoutError') return `timed out after ${timeoutMs / 1000} s`;
  const cause = error instanceof AggregateError && error.errors[0] instanceof Error ? error.errors[0] : error;
  const code = 'code' in cause && typeof cause.code === 'string' ? cause.code : '';
  const words = WORDS[code];
  if (words !== undefined) return words;
  if (cause.name === 'HTTPParserError') return `answer is not HTTP: ${storable(cause.message)}`;
  if (/CERT|TLS|SSL|SIGNATURE|SIGNED|EPROTO/.test(code)) return `TLS: ${storable(cause.message.replace(NODE_HINT, ''))}`;
  return storable(cause.message || code || cause.name);
}

/** A receiver's bytes as text without NUL, which PostgreSQL cannot store; what is no UTF-8 becomes U+FFFD. */
export function storableText(bytes: Buffer): string {
  if (bytes.length === 0) return '';
  const text = bytes.length < MAX_KEPT_BYTES ? bytes.toString('utf8') : decodeCut(bytes);
  return text.includes('\0') ? text.replaceAll('\0', '\ufffd') : text;
}

/** Without the character that was cut in two at the end. */
function decodeCut(bytes: Buffer): string {
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes, { stream: true });
}

function storable(text: string): string {
  return text.replaceAll('\0', '\ufffd').toWellFormed().slice(0, MAX_WORDS);
}
