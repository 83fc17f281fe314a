import { type DynamicModule, Module } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { DataSource } from 'typeorm';
import { poolOf } from '#database';
import { AccessRepository } from './access.repository.js';
import { Authenticator } from './authenticator.js';
import { BuiltInTokenVerifier } from './built-in-token-verifier.js';
import { ExternalTokenVerifier, type ExternalIssuer, type RegisterExternalApplication } from './external-token-verifier.js';
import { TokenVerifier } from './token-verifier.js';

export interface AuthOptions {
  /** Connected; keys and applications are read from it. */
  readonly dataSource: DataSource;
  /** Takes the place of the built-in issuer, whose tokens are then refused. */
  readonly external?: ExternalIssuer | undefined;
  readonly registerExternal?: RegisterExternalApplication;
}

/**
 * Checks the tokens of a service's requests: contract §2. Needs a Fastify application ({@link createHttpApp}). Global, as every route
 * is behind it.
 */
@Module({})
export class AuthModule {
  static forRoot({ dataSource, external, registerExternal }: AuthOptions): DynamicModule {
    const repository = new AccessRepository(poolOf(dataSource));
    const verifier = external
      ? new ExternalTokenVerifier(external, repository, registerExternal)
      : new BuiltInTokenVerifier(repository);
    return {
      module: AuthModule,
      global: true,
      providers: [
        { provide: TokenVerifier, useValue: verifier },
        {
          provide: Authenticator,
          useFactory: (host: HttpAdapterHost) => new Authenticator(host, verifier),
          inject: [HttpAdapterHost],
        },
      ],
      exports: [TokenVerifier],
    };
  }
}
