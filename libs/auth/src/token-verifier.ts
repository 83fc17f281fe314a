import type { JWTPayload } from 'jose';
import type { LRUCache } from 'lru-cache';
import type { Principal } from './principal.js';

/** Tokens and applications that are remembered; beyond that, those not used for longest are looked at again. */
export const MAX_TOKENS = 20_000;
export const MAX_APPLICATIONS = 5000;
/**
 * A revoked application is refused at most this much later, in milliseconds: early enough for what a token has opened, such
 * as a stream, to be looked at again within 3 s.
 */
export const APPLICATION_TTL_MS = 1500;

/** Finds out whose token a request carries. A token seen before costs a map look-up. */
export abstract class TokenVerifier {
  /**
   * @returns undefined for a token that is bad, expired, or of an application that was revoked
   * @throws the dependency's error, or an ApiError `unavailable`, when it cannot be told
   */
  abstract verify(token: string): Promise<Principal | undefined>;
}

/** Remembers what a verified token says for as long as it holds; by the wall clock, which it is about. */
export function rememberUntilExpired<V extends object>(
  tokens: LRUCache<string, V>,
  token: string,
  value: V,
  { exp }: JWTPayload,
): void {
  const ttl = exp! * 1000 - Date.now();
  if (ttl > 0) tokens.set(token, value, { ttl }); // within the tolerance it may have expired already
}
