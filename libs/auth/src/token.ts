import { decodeJwt } from 'jose';

/** What signer and verifier agree on: contract §2. */

export const TOKEN_ALGORITHM = 'ES256';
export const TOKEN_ISSUER = 'rollcall';
export const TOKEN_AUDIENCE = 'rollcall';
/** Life of a token, in seconds. */
export const TOKEN_LIFETIME_SECONDS = 3600;
/** Clocks of instances may differ by this much, in seconds. */
export const CLOCK_TOLERANCE_SECONDS = 5;
/** The claim with the application's numeric id. */
export const APPLICATION_CLAIM = 'app';
/** Others may keep the key set of `/.well-known/jwks.json` for this long, in seconds. */
export const JWKS_MAX_AGE_SECONDS = 300;

/** Reads the token of an Authorization header; the scheme in any letter case. */
export function bearerTokenOf(authorization: string | undefined): string | undefined {
  return /^bearer +([\w~+/.-]+=*) *$/i.exec(authorization ?? '')?.[1];
}

/**
 * Reads when a token ends, in milliseconds since the epoch.
 *
 * @param token one that was verified, and so has an end
 */
export function expiryOf(token: string): number {
  return (decodeJwt(token).exp ?? 0) * 1000;
}

/** Tells whether an Authorization header carries a bearer token, readable or not. */
export function isBearer(authorization: string | undefined): boolean {
  return /^bearer\s+\S/i.test(authorization ?? '');
}
