import type { DynamicModule, Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { RequestListener } from 'node:http';
import { NestLogger, type Logger } from '#runtime';
import { trackAllowedMethods, type AllowedMethods } from './allowed-methods.js';
import { registerSecurityHeaders, runAnswerHooks } from './answer-hooks.js';
import { ApiExceptionFilter } from './api-exception.filter.js';
import { registerBodyParsers } from './body-parsers.js';
import { answerBrokenRequest, refuseConnect } from './broken-request.js';
import { errorResponse } from './error-response.js';
import type { ServiceServer } from './service-server.js';
import { validationPipe } from './validation.js';

const DEFAULT_BODY_LIMIT = 1024 * 1024;
/** The longest part of a path that names something, an application, in characters. */
const MAX_PARAM_LENGTH = 255;

export interface HttpAppOptions {
  readonly logger: Logger;
  /** Where its requests come in; without one there are only those of {@link routingOf} and `inject`. */
  readonly server?: ServiceServer;
  /** Longest request body, in bytes; 1 MiB by default. */
  readonly bodyLimit?: number;
  /** Addresses and CIDRs whose `X-Forwarded-*` are believed; none by default. */
  readonly trustProxy?: readonly string[];
  /** Adds hooks that come before all others. */
  readonly prepend?: (instance: FastifyInstance) => void;
  /** Adds hooks and routes of the library's own. */
  readonly prepare: (instance: FastifyInstance) => void;
  /** Adds hooks and routes before the module's own are registered. */
  readonly configure?: (app: NestFastifyApplication) => void | Promise<void>;
}

/**
 * Creates and initialises a Nest application on Fastify that keeps contract §1: error envelope, 404 and 405, both slash forms,
 * strict JSON.
 */
export async function createHttpApp(module: Type | DynamicModule, options: HttpAppOptions): Promise<NestFastifyApplication> {
  const { server } = options;
  const pathOptions = { ignoreTrailingSlash: true, maxParamLength: MAX_PARAM_LENGTH };
  let allowed: AllowedMethods | undefined;
  const adapter = new FastifyAdapter({
    routerOptions: pathOptions,
    bodyLimit: options.bodyLimit ?? DEFAULT_BODY_LIMIT,
    trustProxy: options.trustProxy && options.trustProxy.length > 0 ? [...options.trustProxy] : false,
    // Requests that come while the last connections end are answered as ever.
    return503OnClosing: false,
    ...(server && { serverFactory: () => server.server }),
    skipMiddie: true,
    multipart: false,
    logger: false,
    // A URL that the router cannot read: no hook runs for it.
    frameworkErrors: (error: FastifyError, request: FastifyRequest, reply: FastifyReply) => {
      const { httpStatus, body } = errorResponse(error);
      void reply.code(httpStatus).type('application/json; charset=utf-8');
      void runAnswerHooks(adapter.getInstance(), request, reply).then(() => reply.send(JSON.stringify(body)));
    },
    clientErrorHandler: (error, socket) => answerBrokenRequest(error, socket, allowed),
  });
  const app = await NestFactory.create<NestFastifyApplication>(module, adapter, {
    logger: new NestLogger(options.logger),
    bodyParser: false,
    abortOnError: false,
    forceCloseConnections: false,
  });
  try {
    const instance = adapter.getInstance<FastifyInstance>();
    if (server) instance.addHook('preClose', () => server.close());
    options.prepend?.(instance);
    const tracked = trackAllowedMethods(instance, pathOptions);
    allowed = tracked;
    refuseConnect(instance.server, tracked);
    registerBodyParsers(instance);
    registerSecurityHeaders(instance);
    options.prepare(instance);
    app.useGlobalFilters(new ApiExceptionFilter(options.logger));
    app.useGlobalPipes(validationPipe);
    await options.configure?.(app);
    await app.init();
    tracked.answerOptions();
    await instance.ready();
    server?.answerBy(routingOf(app));
  } catch (error) {
    await app.close();
    throw error;
  }
  return app;
}

/** Returns a listener that has an application answer requests, whatever server they came to. */
export function routingOf(app: NestFastifyApplication): RequestListener {
  const instance = app.getHttpAdapter().getInstance();
  return (request, response) => instance.routing(request, response);
}
