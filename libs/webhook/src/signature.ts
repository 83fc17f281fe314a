import { createHmac, createSecretKey, randomBytes, type KeyObject } from 'node:crypto';

/** What every Standard Webhooks secret begins with. */
const PREFIX = 'whsec_';
const SECRET_BYTES = 24;

/** A secret that is ready to sign with; it does not print itself. */
export type SigningKey = KeyObject;

/** A new secret, `whsec_` and base64. */
export function generateSecret(): string {
  return PREFIX + randomBytes(SECRET_BYTES).toString('base64');
}

/**
 * Reads a secret such as `whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw`.
 *
 * @throws Error when there is no key in it; the message does not tell the secret
 */
export function signingKey(secret: string): SigningKey {
  const bytes = Buffer.from(secret.startsWith(PREFIX) ? secret.slice(PREFIX.length) : secret, 'base64');
  if (bytes.length === 0) throw new Error('a signing secret must be base64 behind whsec_');
  return createSecretKey(bytes);
}

/**
 * The `webhook-signature` header, Standard Webhooks v1: contract §6. One signature for each key, separated by spaces, so
 * that the old secret signs along while it is rotated out.
 *
 * @param timestamp the `webhook-timestamp`, Unix seconds
 * @param pairs the encoded pairs, for GET too
 */
export function signV1(keys: readonly SigningKey[], id: string, timestamp: number, pairs: string): string {
  const content = `${id}.${timestamp}.${pairs}`;
  return keys.map((key) => `v1,${createHmac('sha256', key).update(content).digest('base64')}`).join(' ');
}
