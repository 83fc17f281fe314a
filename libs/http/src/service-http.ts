import { Module, type DynamicModule, type Type } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyInstance } from 'fastify';
import type { Registry } from 'prom-client';
import type { Logger, Readiness, SettingName } from '#runtime';
import { ApiError } from './api-error.js';
import { createHttpApp, routingOf } from './http-app.js';
import { OperationsServer } from './operations-server.js';
import { serviceOperations, serveOperations } from './operations.js';
import { describeService, measureRequests } from './service-metrics.js';
import { ServiceServer } from './service-server.js';

const STARTING = 'starting';
/** When to ask again what is starting, in seconds. */
const RETRY_AFTER_S = '1';

export interface ServiceHttpOptions {
  /** The service's name. */
  readonly service: string;
  readonly host: string;
  readonly port: number;
  /** The setting that the port is from. */
  readonly setting: SettingName;
  /** Where health and metrics are instead of here. */
  readonly operations?: OperationsServer | number | undefined;
  readonly logger: Logger;
  readonly readiness: Readiness;
  /** A registry of the service's own, so that the all-in-one's services do not mix. */
  readonly metrics: Registry;
  /** Longest that a client may take to send a request, in milliseconds; 30 s by default. */
  readonly requestTimeoutMs?: number;
  /** How often connections are looked at for that, in milliseconds; 30 s by default, as Node has it. */
  readonly connectionCheckMs?: number;
}

export interface ServeOptions {
  /** Longest request body, in bytes; 1 MiB by default. */
  readonly bodyLimit?: number;
  /** Addresses and CIDRs whose `X-Forwarded-*` are believed. */
  readonly trustProxy?: readonly string[];
  /** Adds hooks and routes before the module's own are registered. */
  readonly configure?: (app: NestFastifyApplication) => void | Promise<void>;
}

@Module({})
class NothingYet {}

/**
 * Serves a service's HTTP. It listens from the beginning, so that a service that still waits for its database reports that it is
 * alive and why it is not ready; other requests get 503 until the application is there.
 */
export class ServiceHttp {
  private starting: NestFastifyApplication | undefined;
  private app: NestFastifyApplication | undefined;

  private constructor(
    /** Where it answers. */
    readonly url: string,
    private readonly options: ServiceHttpOptions,
    private readonly server: ServiceServer,
    private readonly operations: OperationsServer | undefined,
  ) {}

  /** Starts listening. @throws StartError when an address cannot be listened on */
  static async open(options: ServiceHttpOptions): Promise<ServiceHttp> {
    const { service, host, port, setting, logger, readiness, metrics } = options;
    readiness.awaiting('service', STARTING);
    describeService(metrics, readiness);
    const operations =
      typeof options.operations === 'number'
        ? await OperationsServer.open({ host, port: options.operations, logger, services: [service] })
        : options.operations;
    operations?.add(service, readiness, metrics);
    const starting = await createHttpApp(NothingYet, {
      logger,
      prepend: refuseTheRest,
      prepare: (instance) => {
        if (!operations) serveOperations(instance, serviceOperations(readiness, metrics));
      },
    });
    const server = new ServiceServer({ ...options, isLeaving: () => readiness.isStopping }, routingOf(starting));
    const close = async (): Promise<void> => {
      await starting.close();
      if (typeof options.operations === 'number') await operations?.close();
    };
    try {
      const http = new ServiceHttp(await server.listen(host, port, setting), options, server, operations);
      http.starting = starting;
      return http;
    } catch (error) {
      await close();
      throw error;
    }
  }

  /**
   * Lets a module answer requests from now on, initialised and in keeping with contract §1: error envelope, 404 and 405, both
   * slash forms, strict JSON.
   */
  async serve(
    module: Type | DynamicModule,
    { bodyLimit, trustProxy, configure }: ServeOptions = {},
  ): Promise<NestFastifyApplication> {
    const { logger, readiness, metrics } = this.options;
    this.app = await createHttpApp(module, {
      logger,
      server: this.server,
      ...(bodyLimit !== undefined && { bodyLimit }),
      ...(trustProxy && { trustProxy }),
      ...(configure && { configure }),
      prepare: (instance) => {
        if (!this.operations) serveOperations(instance, serviceOperations(readiness, metrics));
        measureRequests(instance, metrics, logger);
      },
    });
    readiness.arrived('service');
    await this.starting?.close();
    this.starting = undefined;
    return this.app;
  }

  /** Finishes the requests that are in flight (bounded), and closes the application. Health stays where it has a port of its own. */
  async stopServing(): Promise<void> {
    this.options.readiness.stop();
    await this.app?.close();
    await this.server.close();
  }

  /** Closes all ports. */
  async close(): Promise<void> {
    await this.stopServing();
    await this.starting?.close();
    if (typeof this.options.operations === 'number') await this.operations?.close();
  }
}

/** Answers 503 to everything but health while the application is not there yet. */
function refuseTheRest(instance: FastifyInstance): void {
  instance.addHook('onRequest', (request, _reply, done) => {
    if (!request.is404) return done();
    done(new ApiError('unavailable', 'The service is starting', { headers: { 'retry-after': RETRY_AFTER_S } }));
  });
}
