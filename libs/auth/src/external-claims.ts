import type { JWTPayload } from 'jose';
import { parseId } from '#contracts';
import { ACCESS_LEVELS, type AccessLevel } from './principal.js';

/** Which claims of an external issuer's tokens say what. */
export interface ClaimNames {
  readonly client: string;
  readonly access: string;
}

/** What an external issuer's token says about its bearer. */
export interface ExternalApplication {
  /** `oidc:<client>:<application>`: the same application at two clients is two, since an application belongs to one. */
  readonly appId: string;
  readonly clientId: number;
  readonly access: AccessLevel;
}

const MAX_CLAIM_LENGTH = 255;

/**
 * Reads the claims of a verified token. Pure. The application is the OAuth client that the token was given to:
 * `client_id` (RFC 9068) or `azp` (OpenID), and only where there is neither the subject.
 *
 * @returns what is wrong, in words for the operator, where they do not say all that is needed
 */
export function readExternalClaims(payload: JWTPayload, names: ClaimNames): ExternalApplication | string {
  const name = payload['client_id'] ?? payload['azp'] ?? payload.sub;
  if (typeof name !== 'string' || !isName(name)) return 'neither client_id nor azp nor sub names the application';
  const client = payload[names.client];
  const clientId = typeof client === 'number' || typeof client === 'string' ? parseId(String(client)) : undefined;
  if (clientId === undefined) return `${names.client} is no id of a client`;
  const access = ACCESS_LEVELS.find((level) => level === payload[names.access]);
  if (access === undefined) return `${names.access} is none of ${ACCESS_LEVELS.join(', ')}`;
  return { appId: `oidc:${clientId}:${name}`, clientId, access };
}

/**
 * Tells whether a token's type is that of an access token: logout tokens, proofs and event tokens have other types (RFC 8725
 * §3.11).
 */
export function isAccessTokenType(typ: string | undefined): boolean {
  return typ === undefined || /^(application\/)?at\+jwt$|^jwt$/i.test(typ);
}

function isName(text: string): boolean {
  return text !== '' && text.length <= MAX_CLAIM_LENGTH && text.isWellFormed() && !/\p{Cc}/u.test(text);
}
