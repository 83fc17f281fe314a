import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';

/** What became of the wish to have a delivery sent again. */
export type RedeliveryAnswer = 'queued' | 'brought_forward' | 'already_waiting' | 'not_found';

/** Asks the dispatcher, through a function of its schema, to send a delivery again. */
@Injectable()
export class RedeliveryRepository {
  constructor(private readonly dataSource: DataSource) {}

  /** @param windowMs of retries, from now */
  async redeliver(agentEventId: number, changeId: string, windowMs: number): Promise<RedeliveryAnswer> {
    const rows: { answer: RedeliveryAnswer }[] = await this.dataSource.query(
      `select dispatch.request_redelivery($1, $2, $3 * interval '1 ms') as answer`,
      [agentEventId, changeId, windowMs],
    );
    return rows[0]!.answer;
  }
}
