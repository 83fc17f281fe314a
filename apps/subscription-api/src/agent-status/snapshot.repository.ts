import { Injectable } from '@nestjs/common';
import { setTimeout as delay } from 'node:timers/promises';
import { DataSource } from 'typeorm';
import { AgentRepository } from '../agents/agent.repository.js';
import type { AgentView } from '../agents/agent.schema.js';
import { advance } from './high-water-mark.js';
import { LogMark, MAX_POSITIONS } from './log-mark.js';
import { StatusLogRepository } from './status-log.repository.js';

/** How often a snapshot is taken again while a change is being written, and after how long, in milliseconds. */
const ATTEMPTS = 10;
const RETRY_MS = 20;

/** Agents as they were at one moment, and the cursor that their changes continue from. */
export interface Snapshot {
  readonly agents: AgentView[];
  readonly cursor: number;
}

/** Reads agents and the log's end in one snapshot of the database. */
@Injectable()
export class SnapshotRepository {
  constructor(
    private readonly dataSource: DataSource,
    private readonly agents: AgentRepository,
    private readonly log: StatusLogRepository,
    private readonly mark: LogMark,
  ) {}

  /**
   * Changes after the cursor are never missed. Nor do the agents show them yet, unless for all that time changes were being
   * written whose place in the log is below one that the agents show: those are told again, with the sequence that is shown.
   */
  async read(clientId: number, skip: number, take: number): Promise<Snapshot> {
    for (let attempt = 1; ; attempt++) {
      const { isExact, ...snapshot } = await this.readOnce(clientId, skip, take);
      if (isExact || attempt === ATTEMPTS) return snapshot;
      await delay(RETRY_MS);
    }
  }

  private async readOnce(clientId: number, skip: number, take: number): Promise<Snapshot & { readonly isExact: boolean }> {
    const mark = await this.mark.move();
    return this.dataSource.transaction('REPEATABLE READ', async (manager) => {
      const { positions, open } = await this.log.readTail(mark.position, MAX_POSITIONS, manager);
      const agents = await this.agents.list(clientId, undefined, skip, take, manager);
      const { position: cursor } = advance(mark, positions, open, Date.now());
      return { agents, cursor, isExact: positions.length < MAX_POSITIONS && cursor === (positions.at(-1) ?? cursor) };
    });
  }
}
