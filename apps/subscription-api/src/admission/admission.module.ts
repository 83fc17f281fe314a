import { Module } from '@nestjs/common';
import { AccessModule } from '#applications';
import { SETTINGS } from '../core.module.js';
import type { SubscriptionApiSettings } from '../settings.js';
import { ClientAccess } from './client-access.js';
import { RateLimitSync } from './rate-limit-sync.js';
import { RATE_LIMITER, RateLimiter } from './rate-limiter.js';
import { RequestCountRepository } from './request-count.repository.js';
import { RequestPipeline } from './request-pipeline.js';

/** What a request passes between its token and its body: the rate limit, and whether it may act for the client of its path. */
@Module({
  imports: [AccessModule],
  providers: [
    {
      provide: RATE_LIMITER,
      useFactory: ({ RATE_LIMIT: limit }: Pick<SubscriptionApiSettings, 'RATE_LIMIT'>) => limit && new RateLimiter(limit),
      inject: [SETTINGS],
    },
    RequestCountRepository,
    RateLimitSync,
    ClientAccess,
    RequestPipeline,
  ],
  exports: [ClientAccess],
})
export class AdmissionModule {}

export { ClientAccess, mayActFor } from './client-access.js';
