import { Injectable } from '@nestjs/common';
import { ListReads } from '#database';
import { idsBeginning } from '../http/search.js';

/** A client, and how much it has. */
export interface ClientRow {
  readonly client_id: number;
  readonly agents: number;
  readonly agent_events: number;
}

/** The clients that there are: contract "Words". */
@Injectable()
export class ClientRepository {
  constructor(private readonly reads: ListReads) {}

  /** @param q the beginning of the id; undefined: all */
  async search(q: string | undefined, skip: number, take: number): Promise<ClientRow[]> {
    const pattern = idsBeginning(q);
    if (q !== undefined && pattern === null) return [];
    return this.reads.query(
      `select page.client_id,
         (select count(*) from presence.agent a where a.client_id = page.client_id and a.deleted_at is null) as agents,
         coalesce((select agent_event_used from subscription.client_usage u where u.client_id = page.client_id), 0) as agent_events
       from (
         select client_id from (
           select client_id from presence.client union select client_id from access.application
         ) client
         where ($1::text is null or client_id::text like $1)
           and not exists (select from access.client_removal r where r.client_id = client.client_id and r.finished_at is null)
         order by client_id offset $2 limit $3
       ) page order by page.client_id`,
      [pattern, skip, take],
    );
  }
}
