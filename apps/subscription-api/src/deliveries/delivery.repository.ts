import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';

/** What is asked of the dispatcher, through functions of its schema. */
@Injectable()
export class DeliveryRepository {
  constructor(private readonly dataSource: DataSource) {}

  async resume(agentEventId: number): Promise<void> {
    await this.dataSource.query('select dispatch.resume($1)', [agentEventId]);
  }

  /** @returns false: there is no such delivery */
  async redeliver(agentEventId: number, changeId: string, windowMs: number): Promise<boolean> {
    const rows: { found: boolean }[] = await this.dataSource.query(
      `select dispatch.redeliver($1, $2, $3 * interval '1 millisecond') as found`,
      [agentEventId, changeId, windowMs],
    );
    return rows[0]!.found;
  }

  /** @returns how many deliveries were queued */
  async replay(agentEventId: number, since: Date, until: Date | null, windowMs: number): Promise<number> {
    const rows: { queued: number }[] = await this.dataSource.query(
      `select dispatch.replay($1, $2, $3, $4 * interval '1 millisecond') as queued`,
      [agentEventId, since, until, windowMs],
    );
    return rows[0]!.queued;
  }
}
