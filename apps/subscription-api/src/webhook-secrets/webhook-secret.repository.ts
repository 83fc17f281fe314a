import { Injectable } from '@nestjs/common';
import { DataSource, IsNull, MoreThan, type EntityManager } from 'typeorm';
import { recordAudit } from '#applications';
import { WebhookSecretEntity } from '#database';

/** Each signs along in a header of its own part; more than this in a day is no rotation any more. */
const MAX_FORMER = 9;

/** A transaction of the caller's, which a statement joins. */
export type Transaction = EntityManager;

@Injectable()
export class WebhookSecretRepository {
  constructor(private readonly dataSource: DataSource) {}

  /** Finds the secrets that sign now: the current one, and replaced ones that still sign along. */
  findValid(clientId: number): Promise<WebhookSecretEntity[]> {
    return this.dataSource.getRepository(WebhookSecretEntity).find({
      where: [
        { clientId, expiresAt: IsNull() },
        { clientId, expiresAt: MoreThan(new Date()) },
      ],
      order: { id: 'ASC' },
    });
  }

  /** Adds a client's first secret; does nothing where there is a current one. */
  async addIfMissing(clientId: number, secretSealed: string, manager: EntityManager = this.dataSource.manager): Promise<void> {
    // The look before the insert keeps the usual case from using up an id.
    await manager.query(
      `insert into subscription.webhook_secret (client_id, secret_sealed)
       select $1, $2 where not exists (select from subscription.webhook_secret where client_id = $1 and expires_at is null)
       on conflict (client_id) where expires_at is null do nothing`,
      [clientId, secretSealed],
    );
  }

  /**
   * Replaces the current secret; the former ones sign along for a while.
   *
   * @param by who asks for it, for the audit log
   */
  rotate(clientId: number, secretSealed: string, overlapMs: number, by: string): Promise<WebhookSecretEntity> {
    return this.dataSource.transaction(async (manager) => {
      // Two rotations at once: the second waits here, and then finds the first one's secret as the current one.
      await manager.query(`select pg_advisory_xact_lock(hashtextextended('subscription.webhook_secret', $1))`, [clientId]);
      await manager.update(
        WebhookSecretEntity,
        { clientId, expiresAt: IsNull() },
        { expiresAt: new Date(Date.now() + overlapMs) },
      );
      await manager.query(
        `delete from subscription.webhook_secret where client_id = $1 and expires_at is not null and id not in
           (select id from subscription.webhook_secret where client_id = $1 and expires_at > now() order by id desc limit $2)`,
        [clientId, MAX_FORMER],
      );
      const made = await manager.save(manager.create(WebhookSecretEntity, { clientId, secretSealed, expiresAt: null }));
      await recordAudit(manager, { clientId, by, action: 'webhook_secret.rotated', subject: made.id, detail: {} });
      return made;
    });
  }
}
