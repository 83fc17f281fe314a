import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { ApplicationEntity } from '#database';
import type { AccessLevel } from '#auth';

export interface NewApplication {
  readonly appId: string;
  readonly clientId: number;
  readonly access: AccessLevel;
  readonly secretHash: string;
}

@Injectable()
export class ApplicationRepository {
  constructor(private readonly dataSource: DataSource) {}

  findByAppId(appId: string): Promise<ApplicationEntity | null> {
    return this.dataSource.getRepository(ApplicationEntity).findOneBy({ appId });
  }

  /** Adds an application unless there is one of that name; an existing one is left as it is. */
  async addIfMissing(application: NewApplication): Promise<boolean> {
    const inserted = await this.dataSource
      .createQueryBuilder()
      .insert()
      .into(ApplicationEntity)
      .values(application)
      .orIgnore()
      .returning('id')
      .execute();
    return (inserted.raw as unknown[]).length > 0;
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
