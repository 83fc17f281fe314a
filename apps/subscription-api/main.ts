import { readServiceSettings, runService } from '#runtime';
import { startSubscriptionApi } from './src/start.js';

await runService('subscription-api', readServiceSettings, (settings, logger) => startSubscriptionApi({ settings, logger }));
