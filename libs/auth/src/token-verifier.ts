import { decodeProtectedHeader, errors, importJWK, jwtVerify, type CryptoKey } from 'jose';
import type { AccessRepository } from './access.repository.js';
import { LruCache } from './lru-cache.js';
import type { Principal } from './principal.js';
import { APPLICATION_CLAIM, TOKEN_ALGORITHM, TOKEN_AUDIENCE, TOKEN_ISSUER } from './token.js';

const MAX_TOKENS = 20_000;
const MAX_APPLICATIONS = 5000;
/** A revoked application is refused at most this much later, in milliseconds. */
const APPLICATION_TTL_MS = 3000;
/** Unknown key ids may come from anyone; the keys are read again at most this often, in milliseconds. */
const KEY_REREAD_MS = 1000;
/** A key that was removed stops verifying at most this much later, in milliseconds. */
const KEYS_TTL_MS = 60_000;
/** Clocks of instances may differ by this much, in seconds. */
const CLOCK_TOLERANCE_SECONDS = 5;

/** Finds out whose token a request carries. A token seen before costs a map look-up. */
export class TokenVerifier {
  private readonly tokens = new LruCache<string, number>(MAX_TOKENS);
  private readonly applications = new LruCache<number, { readonly principal: Principal | undefined }>(MAX_APPLICATIONS);
  private readonly pending = new Map<number, Promise<Principal | undefined>>();
  private keys = new Map<string, CryptoKey>();
  private keysReadAt = Number.NEGATIVE_INFINITY;
  private reading: Promise<void> | undefined;

  constructor(private readonly repository: AccessRepository) {}

  /**
   * @returns undefined for a token that is bad, expired, or of an application that was revoked
   * @throws the database's error when it cannot be told
   */
  async verify(token: string): Promise<Principal | undefined> {
    const applicationId = this.tokens.get(token, Date.now()) ?? (await this.readToken(token));
    return applicationId === undefined ? undefined : this.findApplication(applicationId);
  }

  private async readToken(token: string): Promise<number | undefined> {
    const key = await this.findKey(token);
    if (!key) return undefined;
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
      this.tokens.set(token, applicationId, payload.exp! * 1000);
      return applicationId;
    } catch (error) {
      if (error instanceof errors.JOSEError) return undefined; // bad or expired: the caller is told no more than that
      throw error;
    }
  }

  private async findKey(token: string): Promise<CryptoKey | undefined> {
    let kid: string | undefined;
    try {
      kid = decodeProtectedHeader(token).kid;
    } catch {
      return undefined; // not a JWT at all
    }
    if (kid === undefined) return undefined;
    const age = Date.now() - this.keysReadAt;
    if (age > KEYS_TTL_MS || (!this.keys.has(kid) && age > KEY_REREAD_MS)) await (this.reading ??= this.readKeys());
    return this.keys.get(kid);
  }

  private async readKeys(): Promise<void> {
    try {
      const rows = await this.repository.readPublicKeys();
      const imported = rows.map(async ({ kid, jwk }) => [kid, (await importJWK(jwk, TOKEN_ALGORITHM)) as CryptoKey] as const);
      this.keys = new Map(await Promise.all(imported));
      this.keysReadAt = Date.now();
    } finally {
      this.reading = undefined;
    }
  }

  /** Asked once for callers that come at the same time. */
  private findApplication(applicationId: number): Promise<Principal | undefined> | Principal | undefined {
    const cached = this.applications.get(applicationId, Date.now());
    if (cached) return cached.principal;
    let finding = this.pending.get(applicationId);
    if (!finding) {
      finding = this.readApplication(applicationId).finally(() => this.pending.delete(applicationId));
      this.pending.set(applicationId, finding);
    }
    return finding;
  }

  private async readApplication(applicationId: number): Promise<Principal | undefined> {
    const principal = await this.repository.findActiveApplication(applicationId);
    this.applications.set(applicationId, { principal }, Date.now() + APPLICATION_TTL_MS);
    return principal;
  }
}
