import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import type { Notice } from '#contracts';
import type { NoticeListView } from './notice.schema.js';

type NoticeRow = Notice & { readonly deliveries: NoticeListView['deliveries'] };

/** Notices as the dispatcher keeps them. */
@Injectable()
export class NoticeRepository {
  constructor(private readonly dataSource: DataSource) {}

  /** Lists notices, the newest first. @param before undefined: from the newest on */
  list(clientId: number, before: number | undefined, most: number): Promise<NoticeRow[]> {
    return this.dataSource.query(
      `select n.id, n.type, n.at, n.agent_event_id, n.data,
         coalesce((select jsonb_agg(jsonb_build_object('notice_event_id', d.notice_event_id, 'status', d.status,
                                                       'attempts', d.attempts, 'last_error', d.last_error)
                                    order by d.notice_event_id)
                   from dispatch.notice_delivery d where d.notice_id = n.id), '[]') as deliveries
       from dispatch.notice n
       where n.client_id = $1 and ($2::bigint is null or n.id < $2)
       order by n.id desc limit $3`,
      [clientId, before ?? null, most],
    );
  }
}
