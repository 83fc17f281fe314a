import { Module } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { AggregatorRegistry, type Registry } from 'prom-client';
import type { Logger, Readiness, ReadinessReport } from '#runtime';
import { createHttpApp } from './http-app.js';
import { serviceOperations, serveOperations, type Operations } from './operations.js';
import { ServiceServer } from './service-server.js';

@Module({})
class NothingElse {}

interface Service {
  readonly metrics: Registry;
  readonly operations: Operations;
}

export interface OperationsServerOptions {
  readonly host: string;
  readonly port: number;
  readonly logger: Logger;
  /** The services of the process: it is not ready before each of them is. */
  readonly services: readonly string[];
}

/** Serves health and metrics on a port of their own, so that they are not reachable on the public ports: contract §8. */
export class OperationsServer implements Operations {
  private readonly services = new Map<string, Service>();
  private at = '';

  private constructor(
    private readonly expected: readonly string[],
    private readonly server: ServiceServer,
    private readonly app: { current?: NestFastifyApplication },
  ) {}

  /** Starts answering. @throws StartError when the address cannot be listened on */
  static async open({ host, port, logger, services }: OperationsServerOptions): Promise<OperationsServer> {
    const server = new ServiceServer({ isLeaving: () => false }, (_request, response) => void response.writeHead(503).end());
    const app: { current?: NestFastifyApplication } = {};
    const operations = new OperationsServer(services, server, app);
    app.current = await createHttpApp(NothingElse, {
      logger,
      server,
      prepare: (instance) => serveOperations(instance, operations),
    });
    try {
      operations.at = await server.listen(host, port, 'OPERATIONS_PORT');
      logger.info({ url: operations.url }, 'operations.listening');
    } catch (error) {
      await operations.close();
      throw error;
    }
    return operations;
  }

  /** Returns where it answers. */
  get url(): string {
    return this.at;
  }

  /** Adds a service of the process to what is reported. */
  add(service: string, readiness: Readiness, metrics: Registry): void {
    this.services.set(service, { metrics, operations: serviceOperations(readiness, metrics) });
  }

  async report(): Promise<ReadinessReport> {
    const reports = await Promise.all([...this.services.values()].map(({ operations }) => operations.report()));
    if (this.services.size === this.expected.length) return combine(reports);
    return combine([...reports, { ready: false, checks: { service: 'starting' } }]);
  }

  async metrics(): Promise<{ contentType: string; text: string }> {
    const [only, ...others] = this.services.values();
    if (only && others.length === 0) return only.operations.metrics();
    const samples = await Promise.all([...this.services].map(([service, { metrics }]) => labelled(service, metrics)));
    const all = AggregatorRegistry.aggregate(samples);
    return { contentType: all.contentType, text: await all.metrics() };
  }

  async close(): Promise<void> {
    await this.app.current?.close();
    await this.server.close();
  }
}

/** Combines readiness reports: ready when all are; of a dependency that several share, the first failure is shown. */
function combine(reports: readonly ReadinessReport[]): ReadinessReport {
  const checks: Record<string, string> = {};
  for (const report of reports) {
    for (const [name, state] of Object.entries(report.checks)) if ((checks[name] ?? 'ok') === 'ok') checks[name] = state;
  }
  const reasons = Object.assign({}, ...reports.map((report) => report.reasons)) as Record<string, string>;
  return {
    ready: reports.every(({ ready }) => ready),
    checks,
    ...(Object.keys(reasons).length > 0 && { reasons }),
  };
}

/** Labels a service's samples with its name, so that equal metrics of several services are not summed up. */
async function labelled(service: string, metrics: Registry): Promise<object[]> {
  const samples = await metrics.getMetricsAsJSON();
  return samples.map((metric) => ({
    ...metric,
    values: metric.values.map((value) => ({ ...value, labels: { ...value.labels, service } })),
  }));
}
