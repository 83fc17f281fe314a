import type { ServiceSettings, SettingName } from '#runtime';

/** What the dispatcher is set by: contract §8. */
export const DISPATCHER_SETTINGS = [
  'DATABASE_URL',
  'DATABASE_POOL',
  'HOST',
  'DISPATCHER_PORT',
  'OPERATIONS_PORT',
  'ALLOW_DESTINATIONS',
  'DESTINATION_PORTS',
  'DELIVERY_RETRY_SCHEDULE',
  'DELIVERY_WINDOW',
  'DELIVERY_TIMEOUT',
  'STATUS_HISTORY_RETENTION',
  'DELIVERY_LOG_RETENTION',
  'ENCRYPTION_KEY',
  'ENCRYPTION_KEY_PREVIOUS',
] as const satisfies readonly SettingName[];

export type DispatcherSettings = Pick<ServiceSettings, (typeof DISPATCHER_SETTINGS)[number]>;
