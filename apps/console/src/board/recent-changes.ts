/** Logins and logouts are counted so far back, in milliseconds. */
export const RECENT_MS = 5 * 60_000;
/** What happens in five minutes may be a great deal: it is kept as one sum for this long, in milliseconds. */
const SUM_MS = 1000;

/** Logins and logouts about a moment, in milliseconds since the epoch. */
export interface Counted {
  readonly at: number;
  readonly logins: number;
  readonly logouts: number;
}

/** Logins and logouts of the last five minutes: those of before the page was opened from the API, all later ones as they come. */
export class RecentChanges {
  private counted: Counted[] = [];
  /** Up to when the API has said everything, in milliseconds since the epoch. */
  private saidUntil = 0;

  /** Counts a change that came in. @param at when it was made, in milliseconds since the epoch */
  add(at: number, change: 'login' | 'logout'): void {
    const one = change === 'login' ? { logins: 1, logouts: 0 } : { logins: 0, logouts: 1 };
    const last = this.counted.at(-1);
    if (last && at - last.at < SUM_MS) {
      this.counted[this.counted.length - 1] = {
        at: last.at,
        logins: last.logins + one.logins,
        logouts: last.logouts + one.logouts,
      };
    } else {
      this.counted.push({ at, ...one });
    }
  }

  /**
   * Takes over what the API says of the time until a moment, in place of whatever was counted of it: also an earlier answer's. An
   * answer that was overtaken by one about a later moment says nothing new.
   */
  replaceUntil(until: number, said: readonly Counted[]): void {
    if (until < this.saidUntil) return;
    this.saidUntil = until;
    this.counted = [...said, ...this.counted.filter(({ at }) => at > until)];
  }

  /** Sums up the last five minutes. @param now milliseconds since the epoch */
  sum(now: number): Omit<Counted, 'at'> {
    this.counted = this.counted.filter(({ at }) => at > now - RECENT_MS);
    return {
      logins: this.counted.reduce((sum, { logins }) => sum + logins, 0),
      logouts: this.counted.reduce((sum, { logouts }) => sum + logouts, 0),
    };
  }
}
