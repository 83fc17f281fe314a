import { Inject, Injectable } from '@nestjs/common';
import type { Sealer, WebhookSecretEntity } from '#database';
import { generateSecret, signingKey, type WebhookSigningKey } from '#webhook';
import { SEALER } from '../core.module.js';
import { WebhookSecretRepository, type Transaction } from './webhook-secret.repository.js';

/** A rotated secret signs along for this long, in milliseconds: contract §3. */
const OVERLAP_MS = 24 * 3_600_000;

/** A secret as the REST API shows it. */
export interface WebhookSecret {
  readonly id: number;
  readonly secret: string;
  readonly created_at: string;
  readonly expires_at: string | null;
}

/** Keeps the secrets that sign a client's notifications; they are sealed in the database. */
@Injectable()
export class WebhookSecrets {
  constructor(
    private readonly repository: WebhookSecretRepository,
    @Inject(SEALER) private readonly sealer: Sealer,
  ) {}

  /** Makes a client's first secret where it has none. */
  ensure(clientId: number, transaction?: Transaction): Promise<void> {
    return this.repository.addIfMissing(clientId, this.sealer.seal(generateSecret()), transaction);
  }

  async list(clientId: number): Promise<WebhookSecret[]> {
    let found = await this.repository.findValid(clientId);
    if (!found.some(({ expiresAt }) => expiresAt === null)) {
      await this.ensure(clientId);
      found = await this.repository.findValid(clientId);
    }
    return found.map((entity) => this.show(entity));
  }

  /** @param by who asks for it, for the audit log */
  async rotate(clientId: number, by: string): Promise<WebhookSecret> {
    return this.show(await this.repository.rotate(clientId, this.sealer.seal(generateSecret()), OVERLAP_MS, by));
  }

  /** Returns the keys that sign a client's notifications, the current one first. */
  async signingKeys(clientId: number): Promise<WebhookSigningKey[]> {
    const secrets = await this.list(clientId);
    return secrets
      .sort((a, b) => Number(a.expires_at !== null) - Number(b.expires_at !== null))
      .map(({ secret }) => signingKey(secret));
  }

  private show({ id, secretSealed, createdAt, expiresAt }: WebhookSecretEntity): WebhookSecret {
    return {
      id,
      secret: this.sealer.open(secretSealed),
      created_at: createdAt.toISOString(),
      expires_at: expiresAt?.toISOString() ?? null,
    };
  }
}
