import { Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import type { NoticeType } from '#contracts';
import type { NewNoticeEvent, NoticeEventPatch } from './notice.schema.js';

export interface NoticeEventRow {
  readonly id: number;
  readonly url: string;
  readonly types: NoticeType[];
  readonly suspended_at: Date | null;
  readonly suspended_reason: 'gone' | 'failing' | null;
}

const SELECT = `
  select e.id, e.url, e.types, h.suspended_at, h.suspended_reason
  from subscription.notice_event e
  left join dispatch.notice_event_health h on h.notice_event_id = e.id and h.suspended_at is not null
  where e.client_id = $1`;

/** Where notices are sent. What waits for one is the dispatcher's, and asked for through a function of its schema. */
@Injectable()
export class NoticeEventRepository {
  constructor(private readonly dataSource: DataSource) {}

  async find(clientId: number, id: number): Promise<NoticeEventRow | undefined> {
    const rows: NoticeEventRow[] = await this.dataSource.query(`${SELECT} and e.id = $2`, [clientId, id]);
    return rows[0];
  }

  list(clientId: number, skip: number, take: number): Promise<NoticeEventRow[]> {
    return this.dataSource.query(`${SELECT} order by e.id offset $2 limit $3`, [clientId, skip, take]);
  }

  /**
   * Adds one. Parallel additions never exceed the limit.
   *
   * @param ensureSecret makes the client's signing secret where it has none
   * @returns undefined: the client has as many as it may
   */
  add(
    clientId: number,
    { url, types }: NewNoticeEvent,
    applicationId: number,
    limit: number,
    ensureSecret: (manager: EntityManager) => Promise<void>,
  ): Promise<NoticeEventRow | undefined> {
    return this.dataSource.transaction(async (manager) => {
      await manager.query(`select pg_advisory_xact_lock(hashtextextended('subscription.notice_event', $1))`, [clientId]);
      await ensureSecret(manager);
      const rows: NoticeEventRow[] = await manager.query(
        `insert into subscription.notice_event (client_id, application_id, url, types)
         select $1, $2, $3, $4 where (select count(*) from subscription.notice_event where client_id = $1) < $5
         returning id, url, types, null as suspended_at, null as suspended_reason`,
        [clientId, applicationId, url, types, limit],
      );
      return rows[0];
    });
  }

  /** Changes what is given. What waits goes to a new url. @returns false: there is none */
  change(clientId: number, id: number, { url, types }: NoticeEventPatch): Promise<boolean> {
    return this.dataSource.transaction(async (manager) => {
      const [, changed]: [unknown[], number] = await manager.query(
        'update subscription.notice_event set url = coalesce($3, url), types = coalesce($4, types) where client_id = $1 and id = $2',
        [clientId, id, url ?? null, types ?? null],
      );
      if (changed > 0 && url !== undefined) await manager.query('select dispatch.wake_notices($1, false)', [id]);
      return changed > 0;
    });
  }

  /** Removes one, with what waits for it. @returns false: there is none */
  remove(clientId: number, id: number): Promise<boolean> {
    return this.dataSource.transaction(async (manager) => {
      const [, removed]: [unknown[], number] = await manager.query(
        'delete from subscription.notice_event where client_id = $1 and id = $2',
        [clientId, id],
      );
      if (removed > 0) await manager.query('select dispatch.wake_notices($1, true)', [id]);
      return removed > 0;
    });
  }

  async resume(id: number): Promise<void> {
    await this.dataSource.query('select dispatch.wake_notices($1, true)', [id]);
  }
}
