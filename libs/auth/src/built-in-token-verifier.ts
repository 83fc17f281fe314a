import { decodeProtectedHeader, errors, importJWK, jwtVerify, type CryptoKey } from 'jose';
import { LRUCache } from 'lru-cache';
import { TtlCache } from '#runtime';
import type { AccessRepository } from './access.repository.js';
import type { Principal } from './principal.js';
import { APPLICATION_TTL_MS, MAX_APPLICATIONS, MAX_TOKENS, rememberUntilExpired, TokenVerifier } from './token-verifier.js';
import { APPLICATION_CLAIM, CLOCK_TOLERANCE_SECONDS, TOKEN_ALGORITHM, TOKEN_AUDIENCE, TOKEN_ISSUER } from './token.js';

/** Unknown key ids may come from anyone; the keys are read again at most this often, in milliseconds. */
const KEY_REREAD_MS = 100;
/** A key that was removed, and every token that it signed, is refused at most this much later, in milliseconds. */
const KEYS_TTL_MS = 1500;

interface KnownToken {
  readonly applicationId: number;
  readonly kid: string;
}

/** Verifies the tokens that `/oauth/token` gives out: contract §2. */
export class BuiltInTokenVerifier extends TokenVerifier {
  private readonly tokens = new LRUCache<string, KnownToken>({ max: MAX_TOKENS, perf: Date });
  private readonly applications = new TtlCache<number, Principal | undefined>(MAX_APPLICATIONS, APPLICATION_TTL_MS);
  private keys: ReadonlyMap<string, CryptoKey> = new Map();
  private keysReadAt = Number.NEGATIVE_INFINITY;
  private reading: Promise<void> | undefined;

  constructor(private readonly repository: AccessRepository) {
    super();
  }

  async verify(token: string): Promise<Principal | undefined> {
    if (Date.now() - this.keysReadAt > KEYS_TTL_MS) await this.readKeysOnce();
    let known = this.tokens.get(token);
    // A token is as good as its key: when that is deleted, what was verified with it before is refused too.
    if (!known || !this.keys.has(known.kid)) known = await this.readToken(token);
    if (!known) return undefined;
    const { applicationId } = known;
    return this.applications.get(applicationId, () => this.repository.findActiveApplication(applicationId));
  }

  private async readToken(token: string): Promise<KnownToken | undefined> {
    const kid = keyIdOf(token);
    const key = kid === undefined ? undefined : await this.findKey(kid);
    if (kid === undefined || !key) return undefined;
    try {
      const { payload } = await jwtVerify(token, key, {
        algorithms: [TOKEN_ALGORITHM],
        issuer: TOKEN_ISSUER,
        audience: TOKEN_AUDIENCE,
        clockTolerance: CLOCK_TOLERANCE_SECONDS,
        requiredClaims: ['exp', APPLICATION_CLAIM],
      });
      const applicationId = payload[APPLICATION_CLAIM];
      if (typeof applicationId !== 'number') return undefined;
      const known = { applicationId, kid };
      rememberUntilExpired(this.tokens, token, known, payload);
      return known;
    } catch (error) {
      if (error instanceof errors.JOSEError) return undefined; // bad or expired: the caller is told no more than that
      throw error;
    }
  }

  private async findKey(kid: string): Promise<CryptoKey | undefined> {
    if (!this.keys.has(kid) && Date.now() - this.keysReadAt > KEY_REREAD_MS) await this.readKeysOnce();
    return this.keys.get(kid);
  }

  private readKeysOnce(): Promise<void> {
    return (this.reading ??= this.readKeys().finally(() => (this.reading = undefined)));
  }

  private async readKeys(): Promise<void> {
    const rows = await this.repository.readPublicKeys();
    const imported = rows.map(async ({ kid, jwk }) => [kid, (await importJWK(jwk, TOKEN_ALGORITHM)) as CryptoKey] as const);
    this.keys = new Map(await Promise.all(imported));
    this.keysReadAt = Date.now();
  }
}

function keyIdOf(token: string): string | undefined {
  try {
    return decodeProtectedHeader(token).kid;
  } catch {
    return undefined; // not a JWT at all
  }
}
