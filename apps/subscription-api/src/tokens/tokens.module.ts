import { Module } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { AccessModule } from '#applications';
import { SigningKeyRepository } from '#auth';
import { CredentialVerifier } from './credential-verifier.js';
import { SigningKeys } from './signing-keys.js';
import { TokenController } from './token.controller.js';

/** Tokens, and the keys that sign them: contract §2. */
@Module({
  imports: [AccessModule],
  controllers: [TokenController],
  providers: [
    {
      provide: SigningKeyRepository,
      useFactory: (dataSource: DataSource) => new SigningKeyRepository(dataSource),
      inject: [DataSource],
    },
    SigningKeys,
    CredentialVerifier,
  ],
  exports: [SigningKeys, CredentialVerifier],
})
export class TokensModule {}

export { CredentialVerifier } from './credential-verifier.js';
export { SigningKeys } from './signing-keys.js';
export { tokenRequestJsonSchema } from './token.schema.js';
