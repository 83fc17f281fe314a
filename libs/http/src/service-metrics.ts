import type { FastifyInstance } from 'fastify';
import { collectDefaultMetrics, Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { VERSION, type Logger, type Readiness } from '#runtime';
import { traceOfRequest } from './request-trace.js';

/** Methods that are told apart; strangers may send any of Node's thirty. */
const MEASURED_METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS']);

/** Adds the metrics that every service has: process, version, dependencies. */
export function describeService(metrics: Registry, readiness: Readiness): void {
  collectDefaultMetrics({ register: metrics });
  const build = new Gauge({
    name: 'rollcall_build_info',
    help: 'Which version of Rollcall runs, on which Node.js: always 1.',
    labelNames: ['version', 'node'],
    registers: [metrics],
  });
  build.set({ version: VERSION, node: process.versions.node }, 1);
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

/**
 * Measures requests. Counts and total duration are kept per route; the histogram of durations only per method, since a histogram
 * is a dozen series and there are a hundred routes.
 */
export function measureRequests(instance: FastifyInstance, metrics: Registry, logger: Logger): void {
  const registers = [metrics];
  const requests = new Counter({
    name: 'http_requests_total',
    help: 'Requests by route and by the kind of answer, such as 2xx.',
    labelNames: ['method', 'route', 'status'],
    registers,
  });
  const seconds = new Counter({
    name: 'http_request_seconds_total',
    help: 'Time that requests took together, by route; without streams.',
    labelNames: ['method', 'route'],
    registers,
  });
  const duration = new Histogram({
    name: 'http_request_duration_seconds',
    help: 'Time from the request line to the end of the answer, of all routes; without streams.',
    labelNames: ['method'],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10],
    registers,
  });
  instance.addHook('onResponse', (request, reply, done) => {
    const method = MEASURED_METHODS.has(request.method) ? request.method : 'other';
    // The template, never the path: ids would make a series each.
    const route = request.is404 ? 'unknown' : (request.routeOptions.url ?? 'unknown');
    requests.inc({ method, route, status: `${Math.floor(reply.statusCode / 100)}xx` });
    // A stream lasts for as long as its reader likes.
    if (!isStream(reply.getHeader('content-type'))) {
      seconds.inc({ method, route }, reply.elapsedTime / 1000);
      duration.observe({ method }, reply.elapsedTime / 1000);
    }
    if (logger.isLevelEnabled('debug')) {
      const what = { method: request.method, route, http_status: reply.statusCode, latency_ms: reply.elapsedTime };
      logger.debug({ ...what, client: request.ip, ...traceOfRequest(request) }, 'http.request');
    }
    done();
  });
}

function isStream(contentType: unknown): boolean {
  return typeof contentType === 'string' && contentType.startsWith('text/event-stream');
}
