import type { Principal } from './principal.js';

/** Tokens and applications that are remembered; beyond that, those not used for longest are looked at again. */
export const MAX_TOKENS = 20_000;
export const MAX_APPLICATIONS = 5000;
/** A revoked application is refused at most this much later, in milliseconds. */
export const APPLICATION_TTL_MS = 3000;

/** Finds out whose token a request carries. A token seen before costs a map look-up. */
export abstract class TokenVerifier {
  /**
   * @returns undefined for a token that is bad, expired, or of an application that was revoked
   * @throws the dependency's error, or an ApiError `unavailable`, when it cannot be told
   */
  abstract verify(token: string): Promise<Principal | undefined>;
}
