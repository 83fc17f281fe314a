import { decodeJwt, decodeProtectedHeader, errors, jwtVerify, type JWTPayload, type LocalJWKSet } from 'jose';
import { LRUCache } from 'lru-cache';
import { TtlCache, type Logger, type ServiceSettings } from '#runtime';
import type { AccessRepository } from './access.repository.js';
import { isAccessTokenType, readExternalClaims, type ClaimNames, type ExternalApplication } from './external-claims.js';
import { IssuerKeys, type IssuerTimes } from './issuer-keys.js';
import type { Principal } from './principal.js';
import { APPLICATION_TTL_MS, MAX_APPLICATIONS, MAX_TOKENS, rememberUntilExpired, TokenVerifier } from './token-verifier.js';
import { CLOCK_TOLERANCE_SECONDS } from './token.js';

/** Signatures that are made with a private key: never one that whoever verifies could make. */
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'];
/** Why a well-signed token was refused is logged once in this many milliseconds. */
const REFUSAL_LOG_MS = 10 * 60_000;
const MAX_REFUSALS = 1000;

/** An issuer that takes the place of the built-in one: contract §2, ADR 0010. */
export interface ExternalIssuer {
  readonly issuer: string;
  readonly audience: string;
  readonly claims: ClaimNames;
  readonly keys: IssuerKeys;
  readonly logger: Logger;
}

/** Gives an application that was not seen before an id; does nothing where it has one. */
export type RegisterExternalApplication = (application: ExternalApplication) => Promise<void>;

/** Returns the issuer that the settings name; undefined: the built-in one. */
export function externalIssuerOf(
  settings: Pick<ServiceSettings, 'OIDC_ISSUER' | 'OIDC_AUDIENCE' | 'OIDC_CLIENT_CLAIM' | 'OIDC_ACCESS_CLAIM'>,
  logger: Logger,
  times?: IssuerTimes,
): ExternalIssuer | undefined {
  const { OIDC_ISSUER: issuer, OIDC_AUDIENCE: audience, OIDC_CLIENT_CLAIM: client, OIDC_ACCESS_CLAIM: access } = settings;
  if (issuer === undefined || audience === undefined) return undefined;
  return { issuer, audience, claims: { client, access }, keys: new IssuerKeys(issuer, logger, times), logger };
}

interface KnownToken {
  readonly application: ExternalApplication;
  /** Those that it was verified with: when they change it is verified again. */
  readonly keys: LocalJWKSet;
}

/** Verifies the tokens of an external issuer. Client and access are the token's; id and revocation those of `access.application`. */
export class ExternalTokenVerifier extends TokenVerifier {
  private readonly tokens = new LRUCache<string, KnownToken>({ max: MAX_TOKENS, perf: Date });
  private readonly ids = new TtlCache<string, number | undefined>(MAX_APPLICATIONS, APPLICATION_TTL_MS);
  private readonly refusals = new LRUCache<string, true>({ max: MAX_REFUSALS, ttl: REFUSAL_LOG_MS });

  /** @param register absent in a service that may not write applications and needs no id: it sees those not registered as 0 */
  constructor(
    private readonly external: ExternalIssuer,
    private readonly repository: AccessRepository,
    private readonly register?: RegisterExternalApplication,
  ) {
    super();
  }

  async verify(token: string): Promise<Principal | undefined> {
    const application = await this.findApplication(token);
    if (!application) return undefined;
    const applicationId = await this.ids.get(application.appId, () => this.findId(application));
    return applicationId === undefined ? undefined : { applicationId, ...application };
  }

  private async findApplication(token: string): Promise<ExternalApplication | undefined> {
    const known = this.tokens.get(token);
    // What is none of the issuer's even by its own words is refused without asking it.
    if (!known && !this.isCandidate(token)) return undefined;
    const keys = await this.external.keys.get();
    if (known?.keys === keys) return known.application;
    try {
      return await this.read(token, keys);
    } catch (error) {
      if (!(error instanceof errors.JOSEError)) throw error;
      // Its signature was good, so this is a mistake that an operator wants to know of.
      if (error instanceof errors.JWTClaimValidationFailed) this.logRefusal(error.message);
      return undefined;
    }
  }

  private isCandidate(token: string): boolean {
    try {
      const { alg = '', typ } = decodeProtectedHeader(token);
      return ALGORITHMS.includes(alg) && isAccessTokenType(typ) && decodeJwt(token).iss === this.external.issuer;
    } catch {
      return false; // not a JWT at all
    }
  }

  private async read(token: string, keys: LocalJWKSet): Promise<ExternalApplication | undefined> {
    let used = keys;
    let payload: JWTPayload;
    try {
      payload = await this.check(token, used);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      used = await this.external.keys.getNewer();
      if (used === keys) throw error;
      payload = await this.check(token, used);
    }
    const application = readExternalClaims(payload, this.external.claims);
    if (typeof application === 'string') {
      this.logRefusal(application);
      return undefined;
    }
    rememberUntilExpired(this.tokens, token, { application, keys: used }, payload);
    return application;
  }

  private async check(token: string, keys: LocalJWKSet): Promise<JWTPayload> {
    const { issuer, audience } = this.external;
    const { payload } = await jwtVerify(token, keys, {
      algorithms: ALGORITHMS,
      issuer,
      audience,
      clockTolerance: CLOCK_TOLERANCE_SECONDS,
      requiredClaims: ['exp'],
    });
    return payload;
  }

  /** @returns undefined for an application that was revoked here */
  private async findId(application: ExternalApplication): Promise<number | undefined> {
    let found = await this.repository.findByName(application.appId);
    if (!found && this.register) {
      await this.register(application);
      found = await this.repository.findByName(application.appId);
    }
    if (!found) return 0;
    return found.isRevoked ? undefined : found.id;
  }

  private logRefusal(reason: string): void {
    if (this.refusals.get(reason)) return;
    this.refusals.set(reason, true);
    this.external.logger.warn({ issuer: this.external.issuer, reason }, 'oidc.token_refused');
  }
}
