import type { DynamicModule, Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Socket } from 'node:net';
import type { Registry } from 'prom-client';
import { listenError, NestLogger, type Logger, type Readiness, type SettingName } from '#runtime';
import { trackAllowedMethods, type AllowedMethods } from './allowed-methods.js';
import { ApiExceptionFilter } from './api-exception.filter.js';
import { registerBodyParsers } from './body-parsers.js';
import { runAnswerHooks } from './before-answer.js';
import { answerBrokenRequest, refuseConnect } from './broken-request.js';
import { errorResponse } from './error-response.js';
import { registerOperations } from './operations.js';
import { registerSecurityHeaders } from './security-headers.js';
import { validationPipe } from './validation.js';

const DEFAULT_BODY_LIMIT = 1024 * 1024;
/** Longest that a client may take to send a request, in milliseconds; who trickles bytes is cut off. */
const REQUEST_TIMEOUT_MS = 30_000;
const CONNECTION_CHECK_MS = 30_000;
/** Longer than the idle timeout of common proxies (60 s), so that they never send into a connection we just closed. */
const KEEP_ALIVE_MS = 72_000;
/** Requests that are in flight when the service stops have this long, in milliseconds. */
const CLOSE_GRACE_MS = 10_000;
const IDLE_CHECK_MS = 50;
const MAX_CONNECTIONS = 10_000;
/** The longest part of a path that names something, an application, in characters. */
const MAX_PARAM_LENGTH = 255;

export interface HttpAppOptions {
  readonly logger: Logger;
  readonly readiness: Readiness;
  /** A registry of the service's own, so that the all-in-one's services do not mix. */
  readonly metrics: Registry;
  /** Longest request body, in bytes; 1 MiB by default. */
  readonly bodyLimit?: number;
  /** Whether `X-Forwarded-*` of whoever connects is believed. */
  readonly trustProxy?: boolean;
  /** Longest that a client may take to send a request, in milliseconds; 30 s by default. */
  readonly requestTimeoutMs?: number;
  /** How often connections are looked at for that, in milliseconds; 30 s by default, as Node has it. */
  readonly connectionCheckMs?: number;
  /** Adds hooks and routes before the module's own are registered. */
  readonly configure?: (app: NestFastifyApplication) => void | Promise<void>;
}

/**
 * A Nest application on Fastify that keeps contract §1: error envelope, 404 and 405, both slash forms, strict JSON,
 * health, metrics. Initialised, so that `inject` works; not listening yet.
 */
export async function createHttpApp(module: Type | DynamicModule, options: HttpAppOptions): Promise<NestFastifyApplication> {
  const requestTimeout = options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS;
  const pathOptions = { ignoreTrailingSlash: true, maxParamLength: MAX_PARAM_LENGTH };
  let allowed: AllowedMethods | undefined;
  const adapter = new FastifyAdapter({
    routerOptions: pathOptions,
    bodyLimit: options.bodyLimit ?? DEFAULT_BODY_LIMIT,
    trustProxy: options.trustProxy ?? false,
    requestTimeout,
    keepAliveTimeout: KEEP_ALIVE_MS,
    http: { headersTimeout: requestTimeout, connectionsCheckingInterval: options.connectionCheckMs ?? CONNECTION_CHECK_MS },
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
    instance.server.maxConnections = MAX_CONNECTIONS;
    closeConnectionsInTime(instance);
    const tracked = trackAllowedMethods(instance, pathOptions);
    allowed = tracked;
    refuseConnect(instance.server, tracked);
    registerBodyParsers(instance);
    registerSecurityHeaders(instance);
    registerOperations(instance, options.readiness, options.metrics, options.logger);
    app.useGlobalFilters(new ApiExceptionFilter(options.logger));
    app.useGlobalPipes(validationPipe);
    await options.configure?.(app);
    await app.init();
    tracked.answerOptions();
    await instance.ready();
  } catch (error) {
    await app.close();
    throw error;
  }
  return app;
}

/**
 * A server that closes ends the connections that are idle then. Those that become idle later, and those that never sent
 * a request (browsers and pools open some in advance), would be waited for until their client leaves.
 */
function closeConnectionsInTime(instance: FastifyInstance): void {
  const { server } = instance;
  const unused = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    unused.add(socket);
    socket.once('close', () => unused.delete(socket));
  });
  server.on('request', ({ socket }) => void unused.delete(socket));
  instance.addHook('preClose', (done) => {
    if (server.listening) {
      const idle = setInterval(() => {
        server.closeIdleConnections();
        for (const socket of unused) socket.destroy();
      }, IDLE_CHECK_MS);
      const all = setTimeout(() => server.closeAllConnections(), CLOSE_GRACE_MS);
      server.once('close', () => {
        clearInterval(idle);
        clearTimeout(all);
      });
    }
    done();
  });
}

/**
 * Starts answering.
 *
 * @param port 0: any free one
 * @param setting the one that the port is from, to name where it cannot be had
 * @returns the base URL
 * @throws StartError when the address cannot be listened on
 */
export async function listen(app: NestFastifyApplication, host: string, port: number, setting: SettingName): Promise<string> {
  try {
    await app.listen(port, host);
  } catch (error) {
    throw listenError(error, { host, port, setting });
  }
  const address = app.getHttpServer().address();
  if (address === null || typeof address === 'string') throw new Error('a TCP server has no port');
  return `http://${host.includes(':') ? `[${host}]` : host}:${address.port}`;
}
