import type { FastifyInstance } from 'fastify';
import { collectDefaultMetrics, Gauge, Histogram, type Registry } from 'prom-client';
import type { Logger, Readiness, ReadinessReport } from '#runtime';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Served without a token. */
    public?: boolean;
  }
}

/** What an operator asks a process. */
export interface Operations {
  report(): Promise<ReadinessReport>;
  /** In the text format of Prometheus. */
  metrics(): Promise<{ readonly contentType: string; readonly text: string }>;
}

/** What there is to be asked of one service. */
export function operationsOf(readiness: Readiness, metrics: Registry): Operations {
  return {
    report: () => readiness.report(),
    metrics: async () => ({ contentType: metrics.contentType, text: await metrics.metrics() }),
  };
}

/** Serves `/health/live`, `/health/ready` and `/metrics`, for the operator. */
export function serveOperations(instance: FastifyInstance, operations: Operations): void {
  const config = { public: true };
  instance.get('/health/live', { config }, () => ({ status: 'ok' }));
  instance.get('/health/ready', { config }, async (_request, reply) => {
    const { ready, ...details } = await operations.report();
    return reply.code(ready ? 200 : 503).send({ status: ready ? 'ready' : 'not_ready', ...details });
  });
  instance.get('/metrics', { config }, async (_request, reply) => {
    const { contentType, text } = await operations.metrics();
    return reply.type(contentType).send(text);
  });
}

/** Adds what every service says of itself to its metrics. */
export function describeService(metrics: Registry, readiness: Readiness): void {
  collectDefaultMetrics({ register: metrics });
  new Gauge({
    name: 'rollcall_dependency_up',
    help: 'Whether a dependency can be used: 1, or 0 when it is away or degraded.',
    labelNames: ['dependency'],
    registers: [metrics],
    async collect() {
      for (const [dependency, isUp] of await readiness.dependencies()) this.set({ dependency }, isUp ? 1 : 0);
    },
  });
}

/** Measures the duration of every request by route. */
export function measureRequests(instance: FastifyInstance, metrics: Registry, logger: Logger): void {
  const duration = new Histogram({
    name: 'http_request_duration_seconds',
    help: 'Time from the request line to the end of the answer.',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10],
    registers: [metrics],
  });
  instance.addHook('onResponse', (request, reply, done) => {
    // The template, never the path: ids would make a series each.
    const route = request.is404 ? 'unknown' : (request.routeOptions.url ?? 'unknown');
    duration.observe({ method: request.method, route, status: reply.statusCode }, reply.elapsedTime / 1000);
    logger.debug(
      { method: request.method, route, http_status: reply.statusCode, latency_ms: reply.elapsedTime, client: request.ip },
      'http.request',
    );
    done();
  });
}
