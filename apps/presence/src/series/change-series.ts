import type { Pool } from '#database';
import type { StatusChange } from '#contracts';
import { Tally } from '#runtime';
import { addChangeCounts, type ChangeCount } from './series.repository.js';

/** Clients' minutes that wait to be written while the database is away. */
const MAX_KEYS = 50_000;
const ROWS_AT_ONCE = 5000;
const MINUTE_MS = 60_000;

/** Counts status changes by client and minute, and writes the counts every few seconds (ADR 28). */
export class ChangeSeries {
  private readonly counts = new Tally<ChangeCount>(MAX_KEYS, (into, older) => {
    into.logins += older.logins;
    into.logouts += older.logouts;
  });

  constructor(private readonly pool: Pool) {}

  /** Counts changes that were published. @param changes each of them once */
  note(changes: readonly StatusChange[]): void {
    for (const { clientId, changedAt, agentStatus } of changes) {
      const minute = Math.floor(changedAt / MINUTE_MS) * MINUTE_MS;
      const count = this.counts.of(`${clientId}:${minute}`, () => ({ clientId, minute, logins: 0, logouts: 0 }));
      if (count) count[agentStatus === 'available' ? 'logins' : 'logouts'] += 1;
    }
  }

  /** Writes what was counted since; what cannot be written is kept for the next time. */
  flush(): Promise<void> {
    return this.counts.flush(ROWS_AT_ONCE, (counts) => addChangeCounts(this.pool, counts));
  }
}
