/** What `start` hands to the container, by name. */
export const SETTINGS = Symbol('settings');
export const LOGGER = Symbol('logger');
export const SEALER = Symbol('sealer');
export const ADDRESS_GUARD = Symbol('address-guard');
export const RATE_LIMITER = Symbol('rate-limiter');
export const RATE_LIMIT_SYNC_MS = Symbol('rate-limit-sync-ms');
export const SIGNING_KEY_REFRESH_MS = Symbol('signing-key-refresh-ms');
export const STREAM_TIMES = Symbol('stream-times');
export const DEMO = Symbol('demo');
export const PLAYGROUND = Symbol('playground');
export const EXTERNAL_ISSUER = Symbol('external-issuer');
