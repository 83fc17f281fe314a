import type { FastifyInstance, HTTPMethods } from 'fastify';
import { ApiError } from './api-error.js';

const METHODS: readonly HTTPMethods[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];

/**
 * Answers 405 with `Allow` where a path is known and the method is not, and OPTIONS with 204.
 *
 * @returns adds those routes; call it when all others are registered
 */
export function trackAllowedMethods(instance: FastifyInstance): () => void {
  const methodsOf = new Map<string, Set<HTTPMethods>>();
  instance.addHook('onRoute', ({ url, method }) => {
    // Both slash forms are one route to the router.
    const path = url.length > 1 && url.endsWith('/') ? url.slice(0, -1) : url;
    const methods = methodsOf.get(path) ?? new Set();
    for (const one of Array.isArray(method) ? method : [method]) methods.add(one);
    methodsOf.set(path, methods);
  });
  return () => {
    for (const [url, known] of [...methodsOf]) {
      if (url.includes('*')) continue;
      const allow = METHODS.filter(
        (method) => known.has(method) || (method === 'HEAD' && known.has('GET')) || method === 'OPTIONS',
      ).join(', ');
      const missing = METHODS.filter((method) => !known.has(method) && !allow.split(', ').includes(method));
      instance.route({
        method: missing,
        url,
        config: { public: true },
        // Before the body is read, which need not be one that we take.
        onRequest: (_request, _reply, done) =>
          done(new ApiError('method_not_allowed', 'Method not allowed', { headers: { allow } })),
        handler: () => undefined,
      });
      if (known.has('OPTIONS')) continue;
      instance.route({
        method: 'OPTIONS',
        url,
        config: { public: true },
        handler: (_request, reply) => void reply.code(204).header('allow', allow).send(),
      });
    }
  };
}
