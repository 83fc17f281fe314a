import type { TelemetryItem } from '#contracts';
import type { Pool } from '#database';
import { AgentMap } from '../agent-map.js';
import type { PendingItem } from '../telemetry/agent-batch.js';
import { putLastReports, type LastReport } from './series.repository.js';

/** Agents whose reports are counted for certain, and most that wait to be written. */
const MAX_AGENTS = 50_000;
/**
 * Agents that are written at a time. Repeats cost the database next to nothing (ADR 15), and it stays so: with more agents, each report
 * is written later.
 */
const ROWS_AT_ONCE = 2000;

/** The last report of one agent, updated in place, so that a repeat allocates nothing. */
class Noted implements LastReport {
  sinceChange = 0;
  isUnwritten = false;

  constructor(
    public item: TelemetryItem,
    public result: LastReport['result'],
  ) {}
}

/** Remembers the last telemetry of each agent, from which `explain` says why there was no change (ADR 28). */
export class LastReports {
  private readonly last = new AgentMap<Noted>(MAX_AGENTS);
  /** Reports that are not written yet, in the order in which they began to wait. */
  private unwritten: Noted[] = [];

  constructor(private readonly pool: Pool) {}

  /** Notes items that were decided. @param items in order */
  note(items: readonly PendingItem[]): void {
    for (const pending of items) {
      const { item } = pending;
      const { result } = pending.result!;
      let noted = this.last.get(item);
      if (noted === undefined) this.last.set(item, (noted = new Noted(item, result)));
      noted.item = item;
      noted.result = result;
      noted.sinceChange = result === 'changed' ? 0 : noted.sinceChange + 1;
      if (noted.isUnwritten || this.unwritten.length >= MAX_AGENTS) continue;
      noted.isUnwritten = true;
      this.unwritten.push(noted);
    }
  }

  /** Writes a bounded part of what is not written yet; what cannot be written is kept for the next time. */
  async flush(): Promise<void> {
    const reports = this.unwritten.slice(0, ROWS_AT_ONCE);
    if (reports.length === 0) return;
    this.unwritten = this.unwritten.slice(reports.length);
    for (const report of reports) report.isUnwritten = false;
    try {
      // One that was forgotten may have been made anew, and an agent is written once.
      await putLastReports(
        this.pool,
        reports.filter((report) => this.last.get(report.item) === report),
      );
    } catch (error) {
      for (const report of reports) {
        if (!report.isUnwritten) this.unwritten.push(report);
        report.isUnwritten = true;
      }
      throw error;
    }
  }
}
