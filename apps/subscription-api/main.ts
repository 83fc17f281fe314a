import { readServiceSettings, runService } from '#runtime';
import { SUBSCRIPTION_API_SETTINGS } from './src/settings.js';
import { startSubscriptionApi } from './src/start.js';

await runService(
  'subscription-api',
  () => readServiceSettings(SUBSCRIPTION_API_SETTINGS),
  (settings, logger, { stopping }) => startSubscriptionApi({ settings, logger, stopping }),
);
