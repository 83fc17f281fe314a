import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { poolOf } from '#database';

/** Reads and writes the request counts that instances of subscription-api share. */
@Injectable()
export class RequestCountRepository {
  constructor(private readonly dataSource: DataSource) {}

  /**
   * Writes what an instance counted and reads what the others did, in one round trip. Rows of instances that are gone
   * count like any other until their window ends.
   *
   * @param window start of the window, in milliseconds since 1970
   * @param changed by application: those whose count is another than what was written last
   * @returns requests counted elsewhere, by application
   */
  async exchange(instanceId: string, window: number, changed: ReadonlyMap<number, number>): Promise<ReadonlyMap<number, number>> {
    // Both parts see the table as it was before; own rows, the only ones that change, are not read.
    const { rows } = await poolOf(this.dataSource).query<{ application_id: number; requests: number }>({
      name: 'exchange-request-counts',
      text: `with written as (
               insert into access.request_count (window_start, application_id, instance_id, requests)
               select $1, application_id, $2, requests from unnest($3::bigint[], $4::bigint[]) as changed (application_id, requests)
               on conflict (window_start, application_id, instance_id) do update set requests = excluded.requests
             )
             select application_id, sum(requests)::bigint as requests from access.request_count
             where window_start = $1 and instance_id <> $2
             group by application_id`,
      values: [window, instanceId, [...changed.keys()], [...changed.values()]],
    });
    return new Map(rows.map(({ application_id, requests }) => [application_id, requests]));
  }

  /** Deletes windows that began before a time, in milliseconds since 1970; skips rows that another instance is deleting. */
  async deleteBefore(window: number): Promise<void> {
    await poolOf(this.dataSource).query(
      `delete from access.request_count where (window_start, application_id, instance_id) in (
         select window_start, application_id, instance_id from access.request_count where window_start < $1
         for update skip locked)`,
      [window],
    );
  }
}
