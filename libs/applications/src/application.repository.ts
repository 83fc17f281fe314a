import { Injectable } from '@nestjs/common';
import { DataSource, IsNull } from 'typeorm';
import type { AccessLevel } from '#auth';
import { ApplicationEntity, poolOf } from '#database';
import { recordAudit, type AuditEntry } from './audit.repository.js';
import { MAX_APP_ID_LENGTH, type NewApplication } from './new-application.js';

/** What a token request is checked against. */
export interface Credentials {
  readonly applicationId: number;
  readonly clientId: number;
  readonly access: AccessLevel;
  /** Of every secret that is good now, the current one first. */
  readonly secretHashes: readonly string[];
}

interface CredentialsRow {
  readonly app_id: string;
  readonly id: number;
  readonly client_id: number;
  readonly access: AccessLevel;
  readonly secret_hashes: string[];
}

@Injectable()
export class ApplicationRepository {
  constructor(private readonly dataSource: DataSource) {}

  async findByAppId(appId: string): Promise<ApplicationEntity | null> {
    if (appId.includes('\0')) return null; // PostgreSQL has no such text
    return this.dataSource.getRepository(ApplicationEntity).findOneBy({ appId });
  }

  /**
   * Finds what token requests are checked against, for several applications at once; not through the entity, since every token
   * request does this.
   *
   * @returns by `app_id`; one that is not there, or is revoked, is missing
   */
  async findCredentials(appIds: readonly string[]): Promise<ReadonlyMap<string, Credentials>> {
    const possible = appIds.filter((appId) => appId.length <= MAX_APP_ID_LENGTH && !appId.includes('\0'));
    if (possible.length === 0) return new Map();
    const { rows } = await poolOf(this.dataSource).query<CredentialsRow>({
      name: 'find_credentials',
      text: `select app_id, id, client_id, access,
               case when previous_secret_expires_at > now() then array[secret_hash, previous_secret_hash]
                    else array[secret_hash] end as secret_hashes
             from access.application where app_id = any ($1) and revoked_at is null`,
      values: [possible],
    });
    return new Map(
      rows.map(({ app_id, id, client_id, access, secret_hashes }) => [
        app_id,
        { applicationId: id, clientId: client_id, access, secretHashes: secret_hashes },
      ]),
    );
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

  /**
   * Adds an application unless there is one of that name; an existing one is left as it is.
   *
   * @param by who registers it, for the audit log
   */
  addIfMissing({ app_id, client_id, access }: NewApplication, secretHash: string, by: string): Promise<boolean> {
    return this.dataSource.transaction(async (manager) => {
      const inserted = await manager
        .createQueryBuilder()
        .insert()
        .into(ApplicationEntity)
        .values({ appId: app_id, clientId: client_id, access, secretHash })
        .orIgnore()
        .returning('id')
        .execute();
      if ((inserted.raw as unknown[]).length === 0) return false;
      await recordAudit(manager, {
        clientId: client_id,
        by,
        action: 'application.registered',
        subject: app_id,
        detail: { access },
      });
      return true;
    });
  }

  /**
   * Replaces an application's secret.
   *
   * @param keepPreviousSeconds the replaced secret is good for that long; 0: no longer
   * @param by who asks for it, for the audit log
   * @returns false when the application was revoked meanwhile
   */
  replaceSecret(application: ApplicationEntity, secretHash: string, keepPreviousSeconds: number, by: string): Promise<boolean> {
    return this.dataSource.transaction(async (manager) => {
      const [replaced]: [unknown[], number] = await manager.query(
        // Right of the equals sign stands the hash before this statement. The clock is the one that expiry is held against.
        `update access.application set
           secret_hash = $2,
           previous_secret_hash = case when $3::integer > 0 then secret_hash end,
           previous_secret_expires_at = case when $3::integer > 0 then now() + make_interval(secs => $3::integer) end
         where id = $1 and revoked_at is null
         returning 1`,
        [application.id, secretHash, keepPreviousSeconds],
      );
      if (replaced.length === 0) return false;
      const detail = { keep_previous_for: keepPreviousSeconds };
      await recordAudit(manager, { ...subjectOf(application), by, action: 'application.secret_rotated', detail });
      return true;
    });
  }

  /** @param by who asks for it, for the audit log @returns false when it was revoked meanwhile */
  revoke(application: ApplicationEntity, by: string): Promise<boolean> {
    return this.dataSource.transaction(async (manager) => {
      const { affected } = await manager.update(
        ApplicationEntity,
        { id: application.id, revokedAt: IsNull() },
        { revokedAt: () => 'now()' },
      );
      if (affected !== 1) return false;
      await recordAudit(manager, { ...subjectOf(application), by, action: 'application.revoked', detail: {} });
      return true;
    });
  }

  /**
   * Tells whether a client exists: from when an application is registered for it or telemetry names it, until it is removed
   * (contract "Words").
   */
  async clientExists(clientId: number): Promise<boolean> {
    const rows: { found: boolean }[] = await this.dataSource.query(
      `select (exists (select from access.application where client_id = $1)
            or exists (select from presence.client where client_id = $1))
           and not exists (select from access.client_removal where client_id = $1 and finished_at is null) as found`,
      [clientId],
    );
    return rows[0]!.found;
  }
}

function subjectOf({ clientId, appId }: ApplicationEntity): Pick<AuditEntry, 'clientId' | 'subject'> {
  return { clientId, subject: appId };
}
