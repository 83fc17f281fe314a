import type { ServiceSettings } from '#runtime';

/** The settings of subscription-api: contract §8. */
export type SubscriptionApiSettings = Pick<
  ServiceSettings,
  | 'DATABASE_URL'
  | 'DATABASE_POOL'
  | 'HOST'
  | 'SUBSCRIPTION_API_PORT'
  | 'BOOTSTRAP_APPS'
  | 'ALLOW_DESTINATIONS'
  | 'DESTINATION_PORTS'
  | 'AGENT_EVENT_LIMIT'
  | 'RATE_LIMIT'
  | 'ENCRYPTION_KEY'
  | 'SIGNING_KEY_LIFETIME'
  | 'PUBLIC_URL'
  | 'OIDC_ISSUER'
  | 'OIDC_AUDIENCE'
  | 'OIDC_CLIENT_CLAIM'
  | 'OIDC_ACCESS_CLAIM'
  | 'DELIVERY_WINDOW'
  | 'DELIVERY_TIMEOUT'
>;
