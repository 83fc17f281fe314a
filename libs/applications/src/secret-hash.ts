import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';

/** Cost of new hashes: 16 MiB and some 40 ms of one core. Old hashes carry their own. */
const COST = { N: 16384, r: 8, p: 1 };
const KEY_BYTES = 32;

const derive = promisify<string, Buffer, number, { N: number; r: number; p: number; maxmem: number }, Buffer>(scrypt);

/** Hashes an application's secret as `$scrypt$ln=14,r=8,p=1$<salt>$<key>`. */
export async function hashSecret(secret: string): Promise<string> {
  const salt = randomBytes(16);
  const key = await deriveKey(secret, salt, COST, KEY_BYTES);
  return `$scrypt$ln=${Math.log2(COST.N)},r=${COST.r},p=${COST.p}$${salt.toString('base64url')}$${key.toString('base64url')}`;
}

/** Whether a secret is the one that was hashed; takes the same time either way. */
export async function verifySecret(secret: string, hash: string): Promise<boolean> {
  const match = /^\$scrypt\$ln=(\d+),r=(\d+),p=(\d+)\$([\w-]+)\$([\w-]+)$/.exec(hash);
  if (!match) throw new Error('not a scrypt hash');
  const [, ln, r, p, salt, key] = match as unknown as [string, string, string, string, string, string];
  const expected = Buffer.from(key, 'base64url');
  const cost = { N: 2 ** Number(ln), r: Number(r), p: Number(p) };
  return timingSafeEqual(await deriveKey(secret, Buffer.from(salt, 'base64url'), cost, expected.length), expected);
}

function deriveKey(secret: string, salt: Buffer, cost: typeof COST, length: number): Promise<Buffer> {
  return derive(secret, salt, length, { ...cost, maxmem: 256 * cost.N * cost.r });
}
