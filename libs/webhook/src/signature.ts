import { hash, randomBytes } from 'node:crypto';

/** Prefix of every Standard Webhooks secret. */
const PREFIX = 'whsec_';
const SECRET_BYTES = 24;

/** SHA-256's block, in bytes: RFC 2104 pads keys to it. */
const BLOCK = 64;
const DIGEST = 32;

/** A secret that is ready to sign with; it does not print itself. */
export class WebhookSigningKey {
  readonly #inner: Buffer;
  readonly #outer: Buffer;

  constructor(secret: Buffer) {
    const key = secret.length > BLOCK ? hash('sha256', secret, 'buffer') : secret;
    this.#inner = padded(key, 0x36, 0);
    this.#outer = padded(key, 0x5c, DIGEST);
  }

  /**
   * Computes the HMAC-SHA256 (RFC 2104) of a text in base64. By two one-shot hashes: a Hmac object of Node's costs several times as
   * much, most of it in collecting the object again, and there is one for every notification.
   */
  hmac(content: string): string {
    const bytes = Buffer.byteLength(content);
    const message = Buffer.allocUnsafe(BLOCK + bytes);
    message.set(this.#inner);
    message.write(content, BLOCK);
    this.#outer.set(hash('sha256', message, 'buffer'), BLOCK);
    return hash('sha256', this.#outer, 'base64');
  }
}

function padded(key: Buffer, pad: number, room: number): Buffer {
  const block = Buffer.alloc(BLOCK + room);
  for (let index = 0; index < BLOCK; index++) block[index] = (key[index] ?? 0) ^ pad;
  return block;
}

/** Makes a new secret, `whsec_` and base64. */
export function generateSecret(): string {
  return PREFIX + randomBytes(SECRET_BYTES).toString('base64');
}

/**
 * Reads a secret such as `whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw`.
 *
 * @throws Error when there is no key in it; the message does not tell the secret
 */
export function signingKey(secret: string): WebhookSigningKey {
  const bytes = Buffer.from(secret.startsWith(PREFIX) ? secret.slice(PREFIX.length) : secret, 'base64');
  if (bytes.length === 0) throw new Error('a signing secret must be base64 behind whsec_');
  return new WebhookSigningKey(bytes);
}

/**
 * Makes the `webhook-signature` header, Standard Webhooks v1: contract §6. One signature for each key, separated by spaces, so
 * that the old secret signs along while it is rotated out.
 *
 * @param timestamp the `webhook-timestamp`, Unix seconds
 * @param pairs the encoded pairs, for GET too
 */
export function signV1(keys: readonly WebhookSigningKey[], id: string, timestamp: number, pairs: string): string {
  const content = `${id}.${timestamp}.${pairs}`;
  return keys.map((key) => `v1,${key.hmac(content)}`).join(' ');
}
