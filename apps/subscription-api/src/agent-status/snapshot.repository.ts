import { Injectable } from '@nestjs/common';
import { setTimeout as delay } from 'node:timers/promises';
import { DataSource, type EntityManager } from 'typeorm';
import { advance } from './high-water-mark.js';
import { LogMark, MAX_POSITIONS } from './log-mark.js';
import { StatusLogRepository } from './status-log.repository.js';

/** How often a snapshot is taken again while a change is being written, and after how long, in milliseconds. */
const ATTEMPTS = 10;
const RETRY_MS = 20;

/** What was read of agents in one snapshot, and the cursor from which their changes continue. */
export interface SnapshotRead<T> {
  readonly value: T;
  readonly cursor: number;
}

/** Reads agents together with the end of the log, in one snapshot of the database. */
@Injectable()
export class SnapshotRepository {
  constructor(
    private readonly dataSource: DataSource,
    private readonly log: StatusLogRepository,
    private readonly mark: LogMark,
  ) {}

  /**
   * Reads something of the agents, with the cursor that its changes continue from.
   *
   * Changes after the cursor are never missed. Nor do the agents show them yet, unless for all that time changes were being
   * written whose place in the log is below one that the agents show: those are told again, with the sequence that is shown.
   */
  async read<T>(work: (manager: EntityManager) => Promise<T>): Promise<SnapshotRead<T>> {
    for (let attempt = 1; ; attempt++) {
      const { isExact, ...snapshot } = await this.readOnce(work);
      if (isExact || attempt === ATTEMPTS) return snapshot;
      await delay(RETRY_MS);
    }
  }

  private async readOnce<T>(
    work: (manager: EntityManager) => Promise<T>,
  ): Promise<SnapshotRead<T> & { readonly isExact: boolean }> {
    const mark = await this.mark.move();
    return this.dataSource.transaction('REPEATABLE READ', async (manager) => {
      const { positions, open } = await this.log.readTail(mark.position, MAX_POSITIONS, manager);
      const value = await work(manager);
      const { position: cursor } = advance(mark, positions, open, Date.now());
      return { value, cursor, isExact: positions.length < MAX_POSITIONS && cursor === (positions.at(-1) ?? cursor) };
    });
  }
}
