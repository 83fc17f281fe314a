import fastifyStatic from '@fastify/static';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ApiError } from '#http';
import { ROOT_DIRECTORY } from '#runtime';

/** Where `npm run build` puts the console, whether this runs from the sources or from there. */
const BUILT = join(ROOT_DIRECTORY, 'dist', 'apps', 'console');
const PAGE = 'index.html';
/** The names of these have the hash of what is in them. */
const ASSETS = 'assets/';
const ASSET_CACHING = 'public, max-age=31536000, immutable';

export interface ConsoleOptions {
  /** Whether `/` and `/console/` are served: CONSOLE. */
  readonly enabled: boolean;
  /** Finds an url beside our own that the page may fetch from: where an issuer gives out the tokens. */
  readonly tokenEndpoint?: () => Promise<string | undefined>;
  /** Where the built console is; for tests. */
  readonly directory?: string;
}

/**
 * Serves the console at `/console/`, and leads `/` there: contract §8. Needs no token. Every address below that names no file
 * is the page itself, which knows what to show for it; a file that is not there is a 404.
 */
export function serveConsole(app: NestFastifyApplication, options: ConsoleOptions): void {
  const { enabled, tokenEndpoint, directory = BUILT } = options;
  if (!enabled || !existsSync(join(directory, PAGE))) return;
  const instance: FastifyInstance = app.getHttpAdapter().getInstance();
  // Not awaited: routes that were added before would keep the error handler of the moment.
  void instance.register(fastifyStatic, { root: directory, serve: false, preCompressed: true, cacheControl: false });

  const page = async (reply: FastifyReply): Promise<FastifyReply> =>
    reply
      .header('content-security-policy', policyOf(await tokenEndpoint?.()))
      .header('cache-control', 'no-cache')
      .sendFile(PAGE);
  const routes = { config: { public: true } };
  instance.get('/', routes, (_request, reply) => reply.redirect('/console/', 302));
  instance.get('/console/', routes, (_request, reply) => page(reply));
  instance.get('/console/*', routes, (request, reply) => {
    const { '*': path } = request.params as { '*': string };
    if (!isFile(path)) return page(reply);
    if (!isServed(path)) throw new ApiError('not_found', 'Not found');
    void reply.header('cache-control', path.startsWith(ASSETS) ? ASSET_CACHING : 'no-cache');
    return reply.sendFile(path);
  });
}

/** Builds the page's content security policy: own scripts, styles and calls only, none inline. */
function policyOf(tokenEndpoint: string | undefined): string {
  const connect = tokenEndpoint === undefined ? "'self'" : `'self' ${new URL(tokenEndpoint).origin}`;
  return [
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'",
    `connect-src ${connect}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  ].join('; ');
}

/** Tells whether a path names a file: addresses of pages have no dot in their last part. */
function isFile(path: string): boolean {
  return path.slice(path.lastIndexOf('/') + 1).includes('.');
}

/**
 * Tells whether a built file is meant for browsers: no dotfiles, and not the page by its file name, which needs its own policy.
 */
function isServed(path: string): boolean {
  return path !== PAGE && !path.split('/').some((part) => part.startsWith('.'));
}
