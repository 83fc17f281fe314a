import { type DynamicModule, Module } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { DataSource } from 'typeorm';
import { poolOf } from '#database';
import { AccessRepository } from './access.repository.js';
import { Authenticator } from './authenticator.js';
import { TokenVerifier } from './token-verifier.js';

export interface AuthOptions {
  /** Connected; keys and applications are read from it. */
  readonly dataSource: DataSource;
}

/** Checks the tokens of a service's requests: contract §2. Needs a Fastify application ({@link createHttpApp}). */
@Module({})
export class AuthModule {
  static forRoot({ dataSource }: AuthOptions): DynamicModule {
    const repository = new AccessRepository(poolOf(dataSource));
    const verifier = new TokenVerifier(repository);
    return {
      module: AuthModule,
      providers: [
        { provide: AccessRepository, useValue: repository },
        { provide: TokenVerifier, useValue: verifier },
        {
          provide: Authenticator,
          useFactory: (host: HttpAdapterHost) => new Authenticator(host, verifier),
          inject: [HttpAdapterHost],
        },
      ],
      exports: [AccessRepository, TokenVerifier],
    };
  }
}
