import { Module } from '@nestjs/common';
import { WebhookSecretController } from './webhook-secret.controller.js';
import { WebhookSecretRepository } from './webhook-secret.repository.js';
import { WebhookSecrets } from './webhook-secrets.js';

/** The secrets that notifications are signed with: contract §3 and §6. */
@Module({
  controllers: [WebhookSecretController],
  providers: [WebhookSecretRepository, WebhookSecrets],
  exports: [WebhookSecrets],
})
export class WebhookSecretsModule {}

export type { Transaction } from './webhook-secret.repository.js';
export { WebhookSecrets } from './webhook-secrets.js';
