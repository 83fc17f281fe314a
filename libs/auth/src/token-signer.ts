import { randomUUID } from 'node:crypto';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK } from 'jose';
import type { Principal } from './principal.js';
import { APPLICATION_CLAIM, TOKEN_ALGORITHM, TOKEN_AUDIENCE, TOKEN_ISSUER, TOKEN_LIFETIME_SECONDS } from './token.js';

/** A key that signs tokens. */
export interface TokenSigningKey {
  readonly kid: string;
  readonly privateKey: CryptoKey;
}

/** Makes a key pair; the id is the key's own thumbprint (RFC 7638). */
export async function makeSigningKey(): Promise<{ readonly kid: string; readonly publicJwk: JWK; readonly privateJwk: JWK }> {
  const { publicKey, privateKey } = await generateKeyPair(TOKEN_ALGORITHM, { extractable: true });
  const bare = await exportJWK(publicKey);
  const kid = await calculateJwkThumbprint(bare);
  const described = { kid, alg: TOKEN_ALGORITHM, use: 'sig' };
  return { kid, publicJwk: { ...bare, ...described }, privateJwk: { ...(await exportJWK(privateKey)), ...described } };
}

/** Signs a bearer token for an application, valid for {@link TOKEN_LIFETIME_SECONDS}. */
export function signToken(principal: Principal, key: TokenSigningKey): Promise<string> {
  return new SignJWT({
    [APPLICATION_CLAIM]: principal.applicationId,
    client_id: String(principal.clientId),
    access: principal.access,
  })
    .setProtectedHeader({ alg: TOKEN_ALGORITHM, kid: key.kid, typ: 'JWT' })
    .setSubject(principal.appId)
    .setIssuer(TOKEN_ISSUER)
    .setAudience(TOKEN_AUDIENCE)
    .setIssuedAt()
    .setExpirationTime(`${TOKEN_LIFETIME_SECONDS}s`)
    .setJti(randomUUID())
    .sign(key.privateKey);
}
