import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';

interface Cost {
  readonly N: number;
  readonly r: number;
  readonly p: number;
}

/** Of secrets that people chose, which can be guessed: 16 MiB and some 40 ms of one core. Old hashes carry their own. */
const SLOW: Cost = { N: 16384, r: 8, p: 1 };
/** Of secrets that were made of {@link makeSecret}'s random bits, which no speed helps to guess. */
const QUICK: Cost = { N: 16, r: 1, p: 1 };
/** Hashes up to this N · r · p take less than a millisecond. */
const QUICK_WORK = 1024;
const KEY_BYTES = 32;
const SECRET_BYTES = 32;

const derive = promisify<string, Buffer, number, { N: number; r: number; p: number; maxmem: number }, Buffer>(scrypt);

/** Hashes a secret that somebody chose, slowly, as `$scrypt$ln=14,r=8,p=1$<salt>$<key>`. */
export function hashSecret(secret: string): Promise<string> {
  return hash(secret, SLOW);
}

/** Makes a secret of 256 random bits, and its hash, which is quick to check: ADR 20. */
export async function makeSecret(): Promise<{ readonly secret: string; readonly hash: string }> {
  const secret = randomBytes(SECRET_BYTES).toString('base64url');
  return { secret, hash: await hash(secret, QUICK) };
}

/** Tells whether checking a secret against a hash takes next to no time. */
export function isQuickHash(hash: string): boolean {
  const { N, r, p } = parse(hash).cost;
  return N * r * p <= QUICK_WORK;
}

/** Tells whether a secret matches a hash; takes the same time either way. */
export async function verifySecret(secret: string, hash: string): Promise<boolean> {
  const { cost, salt, key } = parse(hash);
  return timingSafeEqual(await deriveKey(secret, salt, cost, key.length), key);
}

async function hash(secret: string, cost: Cost): Promise<string> {
  const salt = randomBytes(16);
  const key = await deriveKey(secret, salt, cost, KEY_BYTES);
  return `$scrypt$ln=${Math.log2(cost.N)},r=${cost.r},p=${cost.p}$${salt.toString('base64url')}$${key.toString('base64url')}`;
}

function parse(hash: string): { readonly cost: Cost; readonly salt: Buffer; readonly key: Buffer } {
  const match = /^\$scrypt\$ln=(\d+),r=(\d+),p=(\d+)\$([\w-]+)\$([\w-]+)$/.exec(hash);
  if (!match) throw new Error('not a scrypt hash');
  const [, ln, r, p, salt, key] = match as unknown as [string, string, string, string, string, string];
  return {
    cost: { N: 2 ** Number(ln), r: Number(r), p: Number(p) },
    salt: Buffer.from(salt, 'base64url'),
    key: Buffer.from(key, 'base64url'),
  };
}

function deriveKey(secret: string, salt: Buffer, cost: Cost, length: number): Promise<Buffer> {
  return derive(secret, salt, length, { ...cost, maxmem: 256 * cost.N * cost.r });
}
