export {
  ConfigError,
  describeSettings,
  readServiceSettings,
  readSettings,
  type ServiceSettings,
  type SettingName,
  type Settings,
} from './config.js';
export { Coalescer } from './concurrency/coalescer.js';
export { Loop } from './concurrency/loop.js';
export { PeriodicWork } from './concurrency/periodic-work.js';
export { retry, waitBackoff, type Backoff } from './concurrency/retry.js';
export { TtlCache } from './concurrency/ttl-cache.js';
export { deferred, settledWithin, unlessAborted, within, type Deferred } from './concurrency/within.js';
export { endWithUs } from './end-with-us.js';
export { groupBy, inTurns } from './grouping.js';
export { createLogger, NestLogger, type Logger } from './logger.js';
export { endOrphan } from './orphan.js';
export { DegradedError, Readiness, type ReadinessCheck, type ReadinessReport } from './readiness.js';
export { readOrMakeSecret } from './secret-file.js';
export { isLoopback, isSecureUrl } from './setting-types.js';
export { runService, type Lifetime, type RunningService } from './service.js';
export { endOnSigterm, onStopSignal } from './signals.js';
export { startWithCleanup, type Cleanup } from './start-with-cleanup.js';
export { listenError, StartError, type ListenPlace } from './start-error.js';
export { Tally } from './tally.js';
export { isUnavailable, reasonOf } from './unavailable.js';
export { howToRun, ROOT_DIRECTORY, VERSION } from './version.js';
