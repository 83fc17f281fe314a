import type { FastifyInstance } from 'fastify';
import type { Registry } from 'prom-client';
import type { Readiness, ReadinessReport } from '#runtime';

/** What an operator asks a process. */
export interface Operations {
  report(): Promise<ReadinessReport>;
  /** In the text format of Prometheus. */
  metrics(): Promise<{ readonly contentType: string; readonly text: string }>;
}

/** Returns what an operator can ask of one service. */
export function serviceOperations(readiness: Readiness, metrics: Registry): Operations {
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
