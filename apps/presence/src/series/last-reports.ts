import { LRUCache } from 'lru-cache';
import { partitionKey } from '#contracts';
import type { Pool } from '#database';
import type { Slot } from '../telemetry/agent-work.js';
import { putLastReports, type LastReport } from './series.repository.js';

/** Agents whose reports are counted. */
const MAX_AGENTS = 50_000;
/**
 * Agents that are written at a time: repeats cost the database next to nothing (ADR 15), and shall not begin to. Of more agents the
 * last report is written that much later.
 */
const ROWS_AT_ONCE = 2000;

/** Remembers the last telemetry of each agent, for whoever asks why there was no change, beside the work: ADR 28. */
export class LastReports {
  private readonly last = new LRUCache<string, LastReport>({ max: MAX_AGENTS });
  /** Those that are not written yet; who has waited longest comes first. */
  private readonly unwritten = new Set<string>();

  constructor(private readonly pool: Pool) {}

  /** @param slots items that were decided, in order */
  note(slots: readonly Slot[]): void {
    for (const { item, results, index } of slots) {
      const { clientId, agentId, agentType, agentStatus, eventSource, occurredAt, receivedAt: reportedAt } = item;
      const { result } = results[index]!;
      const key = partitionKey(item);
      const sinceChange = result === 'changed' ? 0 : (this.last.get(key)?.sinceChange ?? 0) + 1;
      this.last.set(key, { clientId, agentId, agentType, agentStatus, eventSource, occurredAt, reportedAt, result, sinceChange });
      if (this.unwritten.size < MAX_AGENTS) this.unwritten.add(key);
    }
  }

  /** Writes a bounded part of what is not written yet; what cannot be written is kept for the next time. */
  async flush(): Promise<void> {
    const keys = [...this.unwritten].slice(0, ROWS_AT_ONCE);
    if (keys.length === 0) return;
    for (const key of keys) this.unwritten.delete(key);
    try {
      await putLastReports(
        this.pool,
        keys.flatMap((key) => this.last.peek(key) ?? []),
      );
    } catch (error) {
      for (const key of keys) this.unwritten.add(key);
      throw error;
    }
  }
}
