import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';

/** What became of the wish to have a delivery sent again. */
export type RedeliveryAnswer = 'queued' | 'brought_forward' | 'already_waiting' | 'not_found';

/** What is asked of the dispatcher, through functions of its schema. Each is a few rows, however much waits. */
@Injectable()
export class DeliveryCommandRepository {
  constructor(private readonly dataSource: DataSource) {}

  async pause(agentEventId: number): Promise<void> {
    await this.dataSource.query('select dispatch.pause($1)', [agentEventId]);
  }

  async resume(agentEventId: number): Promise<void> {
    await this.dataSource.query('select dispatch.resume($1)', [agentEventId]);
  }

  /** @param windowMs of retries, from now */
  async redeliver(agentEventId: number, changeId: string, windowMs: number): Promise<RedeliveryAnswer> {
    const rows: { answer: RedeliveryAnswer }[] = await this.dataSource.query(
      `select dispatch.request_redelivery($1, $2, $3 * interval '1 ms') as answer`,
      [agentEventId, changeId, windowMs],
    );
    return rows[0]!.answer;
  }
}
