import type { FastifyInstance, HTTPMethods } from 'fastify';
import findMyWay, { type HTTPMethod } from 'find-my-way';
import { ApiError } from './api-error.js';

/** The order in which `Allow` names them. */
const ORDER: readonly HTTPMethods[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];

/** How the router of the application reads paths, so that both find the same. */
export interface PathOptions {
  readonly ignoreTrailingSlash: boolean;
  readonly maxParamLength: number;
}

/** What the paths of an application serve. */
export interface AllowedMethods {
  /**
   * Finds the methods that a path serves, as `Allow` names them.
   *
   * @param target of a request line, with or without a query
   * @returns undefined for a path that serves none
   */
  find(target: string): string | undefined;
  /** Answers OPTIONS with 204 wherever no route does; call it when all routes are registered. */
  answerOptions(): void;
}

/**
 * Makes the error for a method that a path does not serve.
 *
 * @param allow the methods that it serves; undefined: there is no such path
 */
export function unserved(allow: string | undefined): ApiError {
  if (allow === undefined) return new ApiError('not_found', 'Not found');
  return new ApiError('method_not_allowed', `Method not allowed: this path serves ${allow}`, { headers: { allow } });
}

/**
 * Answers 405 with `Allow` where the path is known and the method is not, even one unknown to the router, and 404 where there is
 * no such path. Does so before the body is read, whatever its type.
 */
export function trackAllowedMethods(instance: FastifyInstance, options: PathOptions): AllowedMethods {
  const methodsOf = new Map<string, Set<HTTPMethods>>();
  const paths = findMyWay(options);
  instance.addHook('onRoute', ({ url, method }) => {
    // Both slash forms are one route to the router.
    const path = url.length > 1 && url.endsWith('/') ? url.slice(0, -1) : url;
    let methods = methodsOf.get(path);
    if (!methods) {
      methods = new Set(['OPTIONS']);
      methodsOf.set(path, methods);
      paths.on(ANY, path, () => undefined, methods);
    }
    for (const one of Array.isArray(method) ? method : [method]) methods.add(one);
    if (methods.has('GET')) methods.add('HEAD');
  });
  const methodsAt = (target: string) => paths.find(ANY, target)?.store as ReadonlySet<HTTPMethods> | undefined;
  const find = (target: string): string | undefined => {
    const methods = methodsAt(target);
    return methods && listOf(methods);
  };
  instance.addHook('onRequest', (request, _reply, done) => {
    const methods = methodsAt(request.raw.url ?? '/');
    // For a method that `/replay/count` does not serve, the router goes on to `/replay/:id`.
    const isServed = !request.is404 && methods?.has(request.method);
    done(isServed ? undefined : unserved(methods && listOf(methods)));
  });
  return {
    find,
    answerOptions: () => {
      for (const [url, methods] of [...methodsOf]) {
        if (instance.hasRoute({ method: 'OPTIONS', url })) continue;
        instance.route({
          method: 'OPTIONS',
          url,
          config: { public: true },
          handler: (_request, reply) => void reply.code(204).header('allow', listOf(methods)).send(),
        });
      }
    },
  };
}

/** Paths are looked up whatever the method, so all stand in the router's tree of one. */
const ANY: HTTPMethod = 'GET';

function listOf(methods: ReadonlySet<HTTPMethods>): string {
  return ORDER.filter((method) => methods.has(method)).join(', ');
}
