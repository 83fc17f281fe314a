export { runCommand, UsageError, type CommandLine, type Surroundings } from './command.js';
export {
  ConfigError,
  describeSettings,
  isLoopback,
  isSecureUrl,
  readServiceSettings,
  readSettings,
  type ServiceSettings,
  type Settings,
} from './config.js';
export { parseDuration } from './duration.js';
export { createLogger, NestLogger, type Logger } from './logger.js';
export { PeriodicWork } from './periodic-work.js';
export { DegradedError, Readiness, type ReadinessCheck, type ReadinessReport } from './readiness.js';
export { backoffDelay, waitBackoff, type Backoff } from './retry.js';
export { readOrMakeSecret } from './secret-file.js';
export { runService, type RunningService } from './service.js';
export { startInSteps, type Undo } from './start-in-steps.js';
export { StartError } from './start-error.js';
export { VERSION } from './version.js';
