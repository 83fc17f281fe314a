import { randomUUID } from 'node:crypto';
import { Registry } from 'prom-client';
import { BusMetrics, startOnBus, type Bus } from '#bus';
import { DISPATCHER_GROUP, TOPICS } from '#contracts';
import { assertKeyFits, connectDatabase, createSealer, DatabaseClock, measurePool, poolOf, WriteCheck } from '#database';
import { ServiceHttp, type OperationsServer } from '#http';
import { PeriodicWork, Readiness, startWithCleanup, type Cleanup, type Logger, type RunningService } from '#runtime';
import { AddressGuard } from '#webhook';
import { DEFAULT_BUDGETS, type Budgets } from './attempt/attempts.js';
import { watchKey } from './encryption-key.js';
import { BacklogSamples } from './backlog/backlog-samples.js';
import { CarryOver } from './backlog/carry-over.js';
import { DispatcherModule } from './dispatcher.module.js';
import { maintain } from './backlog/maintenance.repository.js';
import { Dispatch } from './dispatch.js';
import { LogSweep } from './intake/log-sweep.js';
import { ConsumerReport } from './intake/status-change.consumer.js';
import { LEASE_BEYOND_TIMEOUT_MS } from './lanes/shard-leases.js';
import { hashOf } from './lanes/agent-work.js';
import { DispatcherMetrics } from './metrics.js';
import { DispatcherSeries } from './series/series.js';
import type { DispatcherSettings } from './settings.js';

const MAX_BATCH_RECORDS = 1000;
/** A change that the topic never brought is notified within a minute (contract §5): settled, found by the next sweep, fanned out. */
const DEFAULT_SWEEP = { everyMs: 5_000, settleMs: 30_000 };

export interface DispatcherOptions {
  readonly settings: DispatcherSettings;
  /** The service's own; closed when the service stops, or cannot start. */
  readonly bus: Bus;
  readonly logger: Logger;
  /** For tests that wait for a takeover, in milliseconds. */
  readonly leaseMs?: number;
  readonly budgets?: Partial<Budgets>;
  /** For tests that wait for what the topic never brought, in milliseconds. */
  readonly sweep?: { readonly everyMs: number; readonly settleMs: number };
  /** Where the process answers for all its services; else OPERATIONS_PORT says where, or it is the service's own port. */
  readonly operations?: OperationsServer | undefined;
  /** Aborted when the start is to be given up. */
  readonly stopping?: AbortSignal;
  /** Told why the service, once started, can do no good. */
  readonly fail?: (reason: string) => void;
}

/**
 * Starts the dispatcher: status changes in, notifications out.
 *
 * @throws StartError when the database cannot be used or the port is taken; nothing is then left running
 */
export function startDispatcher(options: DispatcherOptions): Promise<RunningService> {
  return startWithCleanup((undo) => startSteps(options, undo));
}

/** The order is the stop's, read backwards: no more records, then what is being delivered, then what it is delivered with. */
async function startSteps(options: DispatcherOptions, undo: Cleanup[]): Promise<Omit<RunningService, 'stop'>> {
  const { settings, bus, logger } = options;
  undo.push(() => bus.close());
  const readiness = new Readiness();
  const registry = new Registry();
  const http = await ServiceHttp.open({
    service: 'dispatcher',
    host: settings.HOST,
    port: settings.DISPATCHER_PORT,
    setting: 'DISPATCHER_PORT',
    operations: options.operations ?? settings.OPERATIONS_PORT,
    logger,
    readiness,
    metrics: registry,
  });
  undo.push(() => http.close());
  const guard = new AddressGuard(settings.ALLOW_DESTINATIONS, settings.DESTINATION_PORTS);
  const sealer = createSealer(settings.ENCRYPTION_KEY, settings.ENCRYPTION_KEY_PREVIOUS);
  if (sealer.isDevelopmentKey) logger.warn('secrets.development_key');
  const dataSource = await connectDatabase(
    { url: settings.DATABASE_URL, applicationName: 'rollcall-dispatcher', poolSize: settings.DATABASE_POOL, alwaysByIndex: true },
    [],
    logger,
    { stopping: options.stopping, tell: (reason) => readiness.awaiting('postgresql', reason) },
  );
  undo.push(() => dataSource.destroy());
  const pool = poolOf(dataSource);
  measurePool(pool, registry);
  const keyWatch = new PeriodicWork((error) => logger.warn({ err: error }, 'secrets.key_check_failed'));
  undo.push(() => keyWatch.stop());
  await watchKey(keyWatch, () => assertKeyFits((sql, values) => dataSource.query(sql, values), sealer), options.fail);

  const metrics = new DispatcherMetrics(registry);
  const clock = await DatabaseClock.start(pool, logger, registry);
  undo.push(() => clock.stop());
  const maintenance = new PeriodicWork((error) => logger.error({ err: error }, 'maintenance.failed'));
  undo.push(() => maintenance.stop());
  const { DELIVERY_TIMEOUT: timeoutMs, DELIVERY_WINDOW: windowMs, DELIVERY_LOG_RETENTION: retentionMs } = settings;
  await maintain(maintenance, pool, { retentionMs, windowMs });

  const series = new DispatcherSeries({ pool, instance: randomUUID(), retentionMs: settings.STATUS_HISTORY_RETENTION, logger });
  undo.push(() => series.stop());

  const dispatch = new Dispatch({
    ...{ pool, guard, sealer, timeoutMs, windowMs, metrics, series, logger },
    schedule: settings.DELIVERY_RETRY_SCHEDULE,
    leaseMs: options.leaseMs ?? timeoutMs + LEASE_BEYOND_TIMEOUT_MS,
    retentionMs: settings.STATUS_HISTORY_RETENTION,
    budgets: { ...DEFAULT_BUDGETS, ...options.budgets },
  });
  undo.push(() => dispatch.stop());
  const samples = new BacklogSamples({ pool, dispatch, metrics, logger });
  undo.push(() => samples.stop());
  const carryOver = new CarryOver({ pool, hashOf, logger });
  undo.push(() => carryOver.stop());
  const { everyMs, settleMs } = options.sweep ?? DEFAULT_SWEEP;
  const { intake, leases } = dispatch;
  const sweep = new LogSweep({ ...{ pool, intake, leases, windowMs, settleMs, aheadMs: 2 * everyMs, metrics, logger } });
  const sweeps = new PeriodicWork((error) => logger.warn({ err: error }, 'intake.sweep_failed'));
  undo.push(() => {
    sweep.stop();
    return sweeps.stop();
  });
  sweeps.every(everyMs, () => sweep.sweep());

  let topicsMade = false;
  const writeCheck = new WriteCheck(pool, 'dispatcher');
  readiness.register('postgresql', async () => {
    await writeCheck.run();
    carryOver.assertDone();
  });
  readiness.register('kafka', async () => {
    await bus.check();
    if (!topicsMade) throw new Error('topics are not made yet');
  });
  const app = await http.serve(DispatcherModule.with(intake, leases, new ConsumerReport(metrics, logger)));
  undo.push(async () => {
    await http.stopServing();
  });

  const consumer = {
    groupId: DISPATCHER_GROUP,
    maxBatchRecords: MAX_BATCH_RECORDS,
    metrics: new BusMetrics(registry),
    assignment: dispatch.assignmentOf(bus),
  };
  app.connectMicroservice({ strategy: bus.strategy(consumer) });
  const carriedOver = carryOver.run().then(() => dispatch.start());
  carriedOver.catch(() => undefined); // it was stopped meanwhile
  const onBus = bus.ensureTopics(TOPICS).then(async () => {
    topicsMade = true;
    await carriedOver;
    await app.startAllMicroservices();
  });
  await startOnBus(onBus, logger, options.stopping);
  return { url: http.url, drain: () => readiness.stop() };
}
