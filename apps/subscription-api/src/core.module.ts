import { Global, Module, type DynamicModule } from '@nestjs/common';
import { DataSource } from 'typeorm';
import type { ExternalIssuer } from '#auth';
import { ListReads, type Sealer } from '#database';
import type { Logger } from '#runtime';
import { AddressGuard } from '#webhook';
import { ApiMetrics } from './metrics.js';
import type { SubscriptionApiSettings } from './settings.js';

/** Tokens of what is injected by name. */
export const SETTINGS = Symbol('settings');
export const LOGGER = Symbol('logger');
export const SEALER = Symbol('sealer');
export const ADDRESS_GUARD = Symbol('address-guard');
export const EXTERNAL_ISSUER = Symbol('external-issuer');
export const TIMES = Symbol('times');

/** Times of streams, in milliseconds. */
export interface StreamTimes {
  /** How often each is looked at: whether it may go on, and whether its reader is there. */
  readonly checkMs: number;
  /** Silence after which a stream says that it is alive: below the idle timeouts of common proxies. */
  readonly keepAliveMs: number;
  /** A reader that takes nothing for this long is cut off. */
  readonly stalledMs: number;
}

/** How often the service does what it does by itself; tests shorten it. */
export interface ServiceTimes {
  /** Milliseconds between two exchanges of request counts with the other instances. */
  readonly rateLimitSyncMs: number;
  /** Milliseconds between two looks at the signing keys. */
  readonly signingKeyRefreshMs: number;
  readonly streams: StreamTimes;
}

const TIMES_OF_SERVICE: ServiceTimes = {
  rateLimitSyncMs: 500,
  signingKeyRefreshMs: 5000,
  streams: { checkMs: 500, keepAliveMs: 15_000, stalledMs: 60_000 },
};

/** What `start` makes before the container is there. */
export interface CoreParts {
  readonly settings: SubscriptionApiSettings;
  readonly logger: Logger;
  readonly sealer: Sealer;
  /** Connected; stays the caller's to close. */
  readonly dataSource: DataSource;
  readonly reads: ListReads;
  /** Whose tokens are accepted instead of our own. */
  readonly external?: ExternalIssuer | undefined;
  readonly metrics: ApiMetrics;
  readonly times?: Partial<ServiceTimes> | undefined;
}

/** Provides every feature with what `start` has made: settings, logger, database, metrics. */
@Global()
@Module({})
export class CoreModule {
  static forRoot({ settings, logger, sealer, dataSource, reads, external, metrics, times }: CoreParts): DynamicModule {
    const providers = [
      { provide: SETTINGS, useValue: settings },
      { provide: LOGGER, useValue: logger },
      { provide: SEALER, useValue: sealer },
      { provide: DataSource, useValue: dataSource },
      { provide: ListReads, useValue: reads },
      { provide: EXTERNAL_ISSUER, useValue: external },
      { provide: ApiMetrics, useValue: metrics },
      { provide: ADDRESS_GUARD, useValue: new AddressGuard(settings.ALLOW_DESTINATIONS ?? [], settings.DESTINATION_PORTS) },
      { provide: TIMES, useValue: { ...TIMES_OF_SERVICE, ...times } },
    ];
    return { module: CoreModule, providers, exports: providers.map(({ provide }) => provide) };
  }
}
