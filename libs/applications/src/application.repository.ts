import { Injectable } from '@nestjs/common';
import { DataSource, IsNull } from 'typeorm';
import { ApplicationEntity } from '#database';
import type { NewApplication } from './new-application.js';

@Injectable()
export class ApplicationRepository {
  constructor(private readonly dataSource: DataSource) {}

  async findByAppId(appId: string): Promise<ApplicationEntity | null> {
    if (appId.includes('\0')) return null; // PostgreSQL has no such text
    return this.dataSource.getRepository(ApplicationEntity).findOneBy({ appId });
  }

  /** @param clientId undefined: of every client */
  list(clientId: number | undefined, skip: number, take: number | undefined): Promise<ApplicationEntity[]> {
    return this.dataSource.getRepository(ApplicationEntity).find({
      where: clientId === undefined ? {} : { clientId },
      order: { id: 'ASC' },
      skip,
      ...(take !== undefined && { take }),
    });
  }

  /** Adds an application unless there is one of that name; an existing one is left as it is. */
  async addIfMissing(application: NewApplication, secretHash: string): Promise<boolean> {
    const inserted = await this.dataSource
      .createQueryBuilder()
      .insert()
      .into(ApplicationEntity)
      .values({ appId: application.app_id, clientId: application.client_id, access: application.access, secretHash })
      .orIgnore()
      .returning('id')
      .execute();
    return (inserted.raw as unknown[]).length > 0;
  }

  /**
   * Replaces an application's secret.
   *
   * @param keepUntil the replaced secret is good until then; null: no longer
   * @returns false when the application was revoked meanwhile
   */
  async replaceSecret(id: number, secretHash: string, keepUntil: Date | null): Promise<boolean> {
    const { affected } = await this.dataSource.getRepository(ApplicationEntity).update(
      { id, revokedAt: IsNull() },
      {
        secretHash,
        // The value before this statement.
        previousSecretHash: keepUntil ? () => 'secret_hash' : null,
        previousSecretExpiresAt: keepUntil,
      },
    );
    return affected === 1;
  }

  /** @returns false when it was revoked meanwhile */
  async revoke(id: number): Promise<boolean> {
    const { affected } = await this.dataSource
      .getRepository(ApplicationEntity)
      .update({ id, revokedAt: IsNull() }, { revokedAt: () => 'now()', previousSecretHash: null, previousSecretExpiresAt: null });
    return affected === 1;
  }

  /** Contract "Words": a client exists from when an application is registered for it or telemetry names it. */
  async clientExists(clientId: number): Promise<boolean> {
    const rows: { found: boolean }[] = await this.dataSource.query(
      `select exists (select from access.application where client_id = $1)
           or exists (select from presence.client where client_id = $1) as found`,
      [clientId],
    );
    return rows[0]!.found;
  }
}
