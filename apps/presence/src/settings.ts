import type { ServiceSettings, SettingName } from '#runtime';

/** What presence is set by: contract §8. */
export const PRESENCE_SETTINGS = [
  'DATABASE_URL',
  'DATABASE_POOL',
  'HOST',
  'PRESENCE_PORT',
  'OPERATIONS_PORT',
  'TRUST_PROXY',
  'STATUS_HISTORY_RETENTION',
  'OIDC_ISSUER',
  'OIDC_AUDIENCE',
  'OIDC_CLIENT_CLAIM',
  'OIDC_ACCESS_CLAIM',
] as const satisfies readonly SettingName[];

export type PresenceSettings = Pick<ServiceSettings, (typeof PRESENCE_SETTINGS)[number]>;
