import { randomUUID } from 'node:crypto';
import { Registry } from 'prom-client';
import { externalIssuerOf, type IssuerTimes } from '#auth';
import { BusMetrics, startOnBus, type Bus } from '#bus';
import { PRESENCE_GROUP, TOPICS, type StatusChange } from '#contracts';
import { connectDatabase, DatabaseClock, measurePool, poolOf, WriteCheck } from '#database';
import { ServiceHttp, type OperationsServer } from '#http';
import {
  DegradedError,
  PeriodicWork,
  Readiness,
  startWithCleanup,
  type Cleanup,
  type Logger,
  type RunningService,
} from '#runtime';
import { servePresenceDocs } from './docs.js';
import { maintainLog } from './log/log-maintenance.js';
import { PresenceMetrics } from './metrics.js';
import { PresenceModule } from './presence.module.js';
import { OutboxRelay } from './relay/outbox.relay.js';
import type { LeaseTimes } from './relay/relay-leases.js';
import { PresenceSeries } from './series/series.js';
import type { PresenceSettings } from './settings.js';
import { DeadLetters } from './telemetry/dead-letters.js';
import { TelemetryService } from './telemetry/telemetry.service.js';

/** A thousand items with the longest names, every character of them escaped, and room to spare. */
const BODY_LIMIT = 4 * 1024 * 1024;
const MAX_BATCH_RECORDS = 4000;

export interface PresenceOptions {
  readonly settings: PresenceSettings;
  /** The service's own; closed when the service stops, or cannot start. */
  readonly bus: Bus;
  readonly logger: Logger;
  /** For tests that wait for a takeover. */
  readonly leaseTimes?: LeaseTimes;
  /** For tests that wait for an external issuer's keys to change. */
  readonly issuerTimes?: IssuerTimes;
  /** Where the process answers for all its services; else OPERATIONS_PORT says where, or it is the service's own port. */
  readonly operations?: OperationsServer | undefined;
  /** Aborted when the start is to be given up. */
  readonly stopping?: AbortSignal;
}

/**
 * Starts presence: telemetry in over HTTP and the bus, status changes out.
 *
 * @throws StartError when the database cannot be used or the port is taken; nothing is then left running
 */
export function startPresence(options: PresenceOptions): Promise<RunningService> {
  return startWithCleanup((undo) => startSteps(options, undo));
}

/** The order is the stop's, read backwards: no more requests and records, then what was accepted, then what it was accepted with. */
async function startSteps(options: PresenceOptions, undo: Cleanup[]): Promise<Omit<RunningService, 'stop'>> {
  const { settings, bus, logger } = options;
  undo.push(() => bus.close());
  const readiness = new Readiness();
  const registry = new Registry();
  const http = await ServiceHttp.open({
    service: 'presence',
    host: settings.HOST,
    port: settings.PRESENCE_PORT,
    setting: 'PRESENCE_PORT',
    operations: options.operations ?? settings.OPERATIONS_PORT,
    logger,
    readiness,
    metrics: registry,
  });
  undo.push(() => http.close());
  const dataSource = await connectDatabase(
    { url: settings.DATABASE_URL, applicationName: 'rollcall-presence', poolSize: settings.DATABASE_POOL },
    [],
    logger,
    { stopping: options.stopping, tell: (reason) => readiness.awaiting('postgresql', reason) },
  );
  undo.push(() => dataSource.destroy());
  const pool = poolOf(dataSource);
  measurePool(pool, registry);

  const maintenance = new PeriodicWork((error) => logger.error({ err: error }, 'log.maintenance_failed'));
  undo.push(() => maintenance.stop());
  await maintainLog(maintenance, pool, settings.STATUS_HISTORY_RETENTION);

  const metrics = new PresenceMetrics(registry);
  const clock = await DatabaseClock.start(pool, logger, registry);
  undo.push(() => clock.stop());
  const leaseTimes = options.leaseTimes && { leaseTimes: options.leaseTimes };
  const series = new PresenceSeries(pool, settings.STATUS_HISTORY_RETENTION, logger);
  undo.push(() => series.stop());
  const onPublished = (changes: readonly StatusChange[]): void => series.changes.note(changes);
  const instance = randomUUID();
  const relay = new OutboxRelay({ pool, producer: bus.producer(), instance, metrics, logger, onPublished, ...leaseTimes });
  undo.push(() => relay.stop());
  const telemetry = new TelemetryService({
    pool,
    relay,
    clock,
    metrics,
    logger,
    onDecided: (items) => series.reports.note(items),
  });
  undo.push(() => telemetry.drain());

  let consuming = false;
  let stopping = false;
  const writeCheck = new WriteCheck(pool, 'presence');
  readiness.register('postgresql', () => writeCheck.run());
  readiness.register('kafka', async () => {
    try {
      await bus.check();
    } catch (error) {
      // Telemetry over HTTP goes on without the broker; until it was reached once, its address may be wrong: contract §8.
      if (consuming && error instanceof Error) throw new DegradedError(error.message, { cause: error });
      throw error;
    }
    if (!consuming) throw new Error('waiting for the topics');
  });

  const external = externalIssuerOf(settings, logger, options.issuerTimes);
  if (external) readiness.register('oidc', () => external.keys.check());

  const deadLetters = new DeadLetters(bus.producer(), metrics, logger);
  const app = await http.serve(PresenceModule.with({ dataSource, external, telemetry, deadLetters }), {
    bodyLimit: BODY_LIMIT,
    configure: servePresenceDocs,
    trustProxy: settings.TRUST_PROXY,
  });
  undo.push(async () => {
    stopping = true;
    await http.stopServing();
  });

  // Telemetry over HTTP does not wait for the broker: its changes are durable in the outbox.
  relay.start();
  const consumer = { groupId: PRESENCE_GROUP, maxBatchRecords: MAX_BATCH_RECORDS, metrics: new BusMetrics(registry) };
  app.connectMicroservice({ strategy: bus.strategy(consumer) });
  const onBus = bus.ensureTopics(TOPICS).then(async () => {
    if (!stopping) await app.startAllMicroservices();
    consuming = true;
  });
  await startOnBus(onBus, logger, options.stopping);
  return { url: http.url, drain: () => readiness.stop() };
}
