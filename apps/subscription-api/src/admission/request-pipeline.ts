import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { bearerTokenOf, TokenVerifier } from '#auth';
import { ApiError, beforeAnswer } from '#http';
import { ApiMetrics } from '../metrics.js';
import { ClientAccess } from './client-access.js';
import { RATE_LIMITER, type RateLimiter, type RateState } from './rate-limiter.js';

declare module 'fastify' {
  interface FastifyRequest {
    rateState?: RateState;
  }
}

const READING_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD']);

/** Applies the rate limit and checks access to the client in the path, after authentication and before the body is read. */
@Injectable()
export class RequestPipeline implements OnModuleInit {
  constructor(
    private readonly adapterHost: HttpAdapterHost,
    private readonly clientAccess: ClientAccess,
    private readonly verifier: TokenVerifier,
    private readonly metrics: ApiMetrics,
    @Inject(RATE_LIMITER) private readonly rateLimiter: RateLimiter | null,
  ) {}

  onModuleInit(): void {
    const instance = this.adapterHost.httpAdapter.getInstance<FastifyInstance>();
    // preParsing comes after every onRequest hook, where authentication is, whichever was added first.
    instance.addHook('preParsing', (request) => this.enter(request));
    const { rateLimiter } = this;
    if (!rateLimiter) return;
    beforeAnswer(instance, (request, reply) => {
      if (request.rateState) return showRate(reply, request.rateState);
      return this.countElsewhere(request, reply, rateLimiter).then((state) => showRate(reply, state));
    });
  }

  private async enter(request: FastifyRequest): Promise<undefined> {
    const { principal } = request;
    if (!principal) return;
    if (this.rateLimiter) {
      request.rateState = this.rateLimiter.take(principal.applicationId, Date.now());
      if (!request.rateState.allowed) {
        this.metrics.countRateLimited();
        const headers = { 'retry-after': String(request.rateState.resetSeconds) };
        throw new ApiError('rate_limit_exceeded', `Too many requests: try again in ${headers['retry-after']} s`, { headers });
      }
    }
    const { client_id } = (request.params ?? {}) as { client_id?: string };
    if (client_id === undefined) return;
    const isChange = !READING_METHODS.has(request.method);
    request.clientId = await this.clientAccess.resolve(principal, client_id, isChange);
  }

  /**
   * Counts a request that never reached {@link enter}: an unknown route or method, a refused access level, or a public route. It
   * counts for the application whose valid token it carries; without one it counts for nobody, and the headers show the whole
   * limit.
   */
  private async countElsewhere(request: FastifyRequest, reply: FastifyReply, limiter: RateLimiter): Promise<RateState> {
    const applicationId = request.principal?.applicationId ?? (await this.identify(request, reply));
    const now = Date.now();
    return applicationId === undefined ? limiter.peek(undefined, now) : limiter.take(applicationId, now);
  }

  private async identify(request: FastifyRequest, reply: FastifyReply): Promise<number | undefined> {
    if (reply.statusCode === 401) return undefined; // its token was looked at
    const token = bearerTokenOf(request.headers.authorization);
    if (token === undefined) return undefined;
    try {
      return (await this.verifier.verify(token))?.applicationId;
    } catch {
      return undefined; // the answer is ready; that the database is away changes only whom it counts for
    }
  }
}

function showRate(reply: FastifyReply, { limit, remaining, resetSeconds }: RateState): void {
  reply.header('x-ratelimit-limit', limit);
  reply.header('x-ratelimit-remaining', remaining);
  reply.header('x-ratelimit-reset', resetSeconds);
}
