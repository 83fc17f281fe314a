/** Turns what the network throws, and what strangers answer, into text for people and for PostgreSQL. Pure. */

/** Why there is no answer to an attempt, for machines. */
export type FailureKind = 'timeout' | 'refused' | 'closed' | 'unreachable' | 'dns' | 'tls' | 'address' | 'protocol' | 'other';

/** Failure of an attempt, with a message for people. */
export class AttemptFailure extends Error {
  override readonly name: string = 'AttemptFailure';

  constructor(
    message: string,
    readonly kind: FailureKind = 'other',
  ) {
    super(message);
  }
}

const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection closed before the answer was complete',
  EPIPE: 'connection closed before the answer was complete',
  ETIMEDOUT: 'connection timed out',
  ENOTFOUND: 'host name not found',
  EAI_AGAIN: 'host name lookup failed',
  EHOSTUNREACH: 'host unreachable',
  ENETUNREACH: 'network unreachable',
};

const KINDS: Readonly<Record<string, FailureKind>> = {
  ECONNREFUSED: 'refused',
  ECONNRESET: 'closed',
  EPIPE: 'closed',
  ETIMEDOUT: 'timeout',
  ENOTFOUND: 'dns',
  EAI_AGAIN: 'dns',
  EHOSTUNREACH: 'unreachable',
  ENETUNREACH: 'unreachable',
};

const MAX_WORDS = 300;
/** Node's advice on how to start it, which is of no use to whom we tell the failure. */
const NODE_HINT = /; if the root CA is installed locally.*$/s;
/** How OpenSSL tells an error: `error:<number>:<library>:<function>:<reason>:<file>:<line>:`. */
const OPENSSL = /error:[0-9a-f]+:[^:]*:[^:]*:([^:]+)/i;

/** Says what went wrong with an attempt. */
export function describeFailure(error: unknown): string {
  if (!(error instanceof Error)) return storable(String(error));
  if (error instanceof AttemptFailure) return storable(error.message);
  if (OPENSSL.test(error.message)) return storable(tlsFailure(error).message);
  const code = codeOf(error);
  return WORDS[code] ?? storable(error.message || code || error.name);
}

/** Tells which kind of failure it was. */
export function kindOfFailure(error: unknown): FailureKind {
  if (!(error instanceof Error)) return 'other';
  if (error instanceof AttemptFailure) return error.kind;
  if (OPENSSL.test(error.message)) return 'tls';
  return KINDS[codeOf(error)] ?? 'other';
}

/** Makes the failure that says what went wrong with TLS: the reason alone, without OpenSSL's numbers and files. */
export function tlsFailure(error: Error): AttemptFailure {
  const hungUp = ['ECONNRESET', 'EPIPE'].includes(codeOf(error)) && 'connection closed during the handshake';
  const reason = OPENSSL.exec(error.message)?.[1] ?? (hungUp || error.message.replace(NODE_HINT, ''));
  return new AttemptFailure(`TLS: ${reason.trim()}`, 'tls');
}

function codeOf(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : '';
}

/**
 * Reads a receiver's bytes as text without NUL, which PostgreSQL cannot store; what is no UTF-8 becomes U+FFFD.
 *
 * @param isCut whether there were more of them, so that the last character may be cut in two; it is left out then
 */
export function storableText(bytes: Buffer, isCut: boolean): string {
  if (bytes.length === 0) return '';
  const text = isCut ? decodeCut(bytes) : bytes.toString('utf8');
  return text.includes('\0') ? text.replaceAll('\0', '\ufffd') : text;
}

function decodeCut(bytes: Buffer): string {
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes, { stream: true });
}

function storable(text: string): string {
  return text.replaceAll('\0', '\ufffd').toWellFormed().slice(0, MAX_WORDS);
}
