import type { TelemetryItem } from '#contracts';
import type { Pool } from '#database';
import { AgentMap } from '../agent-map.js';
import type { PendingItem } from '../telemetry/agent-batch.js';
import { putLastReports, type LastReport } from './series.repository.js';

/** Agents whose reports are counted for certain, and most that wait to be written. */
const MAX_AGENTS = 50_000;
/**
 * Agents that are written at a time: repeats cost the database next to nothing (ADR 15), and shall not begin to. Of more agents the
 * last report is written that much later.
 */
const ROWS_AT_ONCE = 2000;

/** Of one agent, brought up to date with each of its reports: a repeat makes nothing new. */
class Noted implements LastReport {
  sinceChange = 0;
  isUnwritten = false;

  constructor(
    public item: TelemetryItem,
    public result: LastReport['result'],
  ) {}
}

/** Remembers the last telemetry of each agent, for whoever asks why there was no change, beside the work: ADR 28. */
export class LastReports {
  private readonly last = new AgentMap<Noted>(MAX_AGENTS);
  /** Those that are not written yet; who has waited longest comes first. */
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
