import type { ServiceSettings, SettingName } from '#runtime';

/** What subscription-api is set by: contract §8. */
export const SUBSCRIPTION_API_SETTINGS = [
  'DATABASE_URL',
  'DATABASE_READ_URL',
  'DATABASE_POOL',
  'HOST',
  'SUBSCRIPTION_API_PORT',
  'OPERATIONS_PORT',
  'TRUST_PROXY',
  'CORS_ORIGINS',
  'BOOTSTRAP_APPS',
  'ALLOW_DESTINATIONS',
  'DESTINATION_PORTS',
  'AGENT_EVENT_LIMIT',
  'RATE_LIMIT',
  'ENCRYPTION_KEY',
  'ENCRYPTION_KEY_PREVIOUS',
  'SIGNING_KEY_LIFETIME',
  'PUBLIC_URL',
  'OIDC_ISSUER',
  'OIDC_AUDIENCE',
  'OIDC_CLIENT_CLAIM',
  'OIDC_ACCESS_CLAIM',
  'OIDC_CONSOLE_CLIENT_ID',
  'CONSOLE',
  'DELIVERY_WINDOW',
  'DELIVERY_TIMEOUT',
] as const satisfies readonly SettingName[];

export type SubscriptionApiSettings = Pick<ServiceSettings, (typeof SUBSCRIPTION_API_SETTINGS)[number]>;
