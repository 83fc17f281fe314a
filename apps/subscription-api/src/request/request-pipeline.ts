import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { ApiError } from '#http';
import { RATE_LIMITER } from '../tokens.js';
import { ClientAccess } from './client-access.js';
import type { RateLimiter, RateState } from './rate-limiter.js';

declare module 'fastify' {
  interface FastifyRequest {
    rateState?: RateState;
  }
}

/** What every request passes between authentication and its body: the rate limit, and whether it may see that client. */
@Injectable()
export class RequestPipeline implements OnModuleInit {
  constructor(
    private readonly adapterHost: HttpAdapterHost,
    private readonly clientAccess: ClientAccess,
    @Inject(RATE_LIMITER) private readonly rateLimiter: RateLimiter | null,
  ) {}

  onModuleInit(): void {
    const instance = this.adapterHost.httpAdapter.getInstance<FastifyInstance>();
    // preParsing comes after every onRequest hook, where authentication is, whichever was added first.
    instance.addHook('preParsing', (request) => this.enter(request));
    instance.addHook('onSend', (request, reply, payload, done) => {
      const state = request.rateState ?? this.rateLimiter?.peek(request.principal?.applicationId, Date.now());
      if (state) {
        reply.header('x-ratelimit-limit', state.limit);
        reply.header('x-ratelimit-remaining', state.remaining);
        reply.header('x-ratelimit-reset', state.resetSeconds);
      }
      done(null, payload);
    });
  }

  private async enter(request: FastifyRequest): Promise<undefined> {
    const { principal } = request;
    if (!principal) return;
    if (this.rateLimiter) {
      request.rateState = this.rateLimiter.take(principal.applicationId, Date.now());
      if (!request.rateState.allowed) {
        const headers = { 'retry-after': String(request.rateState.resetSeconds) };
        throw new ApiError('rate_limit_exceeded', 'Too many requests', { headers });
      }
    }
    const { client_id } = (request.params ?? {}) as { client_id?: string };
    if (client_id !== undefined) request.clientId = await this.clientAccess.resolve(principal, client_id);
  }
}
