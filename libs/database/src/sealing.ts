import { createCipheriv, createDecipheriv, createHash, randomBytes, scryptSync } from 'node:crypto';

const SEAL_VERSION = 'v1';
const IV_BYTES = 12;
const TAG_BYTES = 16;
/** The same everywhere, since every service must derive the same key; the setting is what is secret. */
const SALT = 'rollcall.sealing.v1';
const DEVELOPMENT_KEY = 'rollcall-development-key';

/** Encrypts secrets that we must be able to read again, for their place in the database: contract §7.6. */
export interface Sealer {
  /** With the current key. */
  seal(plain: string): string;
  /**
   * With the current key, or one of the others.
   *
   * @throws Error when the text was sealed with another key or was tampered with
   */
  open(sealed: string): string;
  /** Of the current key: stands in each sealed text, and tells nothing of the key. */
  readonly keyId: string;
  /** Of all keys that it opens with, the current one first. */
  readonly keyIds: readonly string[];
  /** ENCRYPTION_KEY is unset: warn about it once at start. */
  readonly isDevelopmentKey: boolean;
}

/**
 * Makes a sealer: AES-256-GCM under a key derived from the ENCRYPTION_KEY setting. A sealed text is
 * `v1.<key id>.<base64url of iv, tag and ciphertext>`; the key id tells a wrong key from a damaged text.
 *
 * @param others keys that are opened with as well, while one is replaced by another: ENCRYPTION_KEY_PREVIOUS
 */
export function createSealer(encryptionKey: string | undefined, others: readonly string[] = []): Sealer {
  const current = derive(encryptionKey ?? DEVELOPMENT_KEY);
  const keys = new Map([current, ...others.map(derive)].map(({ keyId, key }) => [keyId, key]));
  const { keyId } = current;
  return {
    keyId,
    keyIds: [...keys.keys()],
    isDevelopmentKey: encryptionKey === undefined,
    seal(plain) {
      const iv = randomBytes(IV_BYTES);
      const cipher = createCipheriv('aes-256-gcm', current.key, iv);
      const text = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()]);
      return `${SEAL_VERSION}.${keyId}.${Buffer.concat([iv, cipher.getAuthTag(), text]).toString('base64url')}`;
    },
    open(sealed) {
      const [version, sealedWith = '', payload] = sealed.split('.');
      if (version !== SEAL_VERSION || payload === undefined) throw new Error('not a sealed text');
      const key = keys.get(sealedWith);
      if (!key) throw new Error(`sealed with key ${sealedWith}, and ENCRYPTION_KEY is key ${keyId}`);
      const bytes = Buffer.from(payload, 'base64url');
      const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, IV_BYTES));
      decipher.setAuthTag(bytes.subarray(IV_BYTES, IV_BYTES + TAG_BYTES));
      return Buffer.concat([decipher.update(bytes.subarray(IV_BYTES + TAG_BYTES)), decipher.final()]).toString('utf8');
    },
  };
}

function derive(encryptionKey: string): { readonly key: Buffer; readonly keyId: string } {
  const key = scryptSync(encryptionKey, SALT, 32);
  return { key, keyId: createHash('sha256').update(key).digest('hex').slice(0, 8) };
}
