export { AccessRepository, type PublicKey } from './access.repository.js';
export { AuthModule, type AuthOptions } from './auth.module.js';
export { CurrentPrincipal, Public, RequireAccess } from './decorators.js';
export { LruCache } from './lru-cache.js';
export { ACCESS_LEVELS, type AccessLevel, type Principal } from './principal.js';
export { TokenVerifier } from './token-verifier.js';
export { signToken, makeSigningKey, type SigningKey } from './token-signer.js';
export { bearerTokenOf, TOKEN_LIFETIME_SECONDS } from './token.js';
