import type { Pool } from '#database';
import type { AttemptResult } from '#webhook';
import { putOriginStates, type OriginState } from './series.repository.js';

/** Origins that are watched at most, and that are written at a time. */
const MAX_ORIGINS = 20_000;
const ROWS_AT_ONCE = 1000;
/** What is not closed is renewed so often, in milliseconds: readers pass over who has been silent for longer than a minute. */
const RENEW_MS = 10_000;

/** What is looked at of a client's share of an origin. */
export interface WatchedShare {
  readonly health: { readonly isOpen: boolean; pauseMs(now: number): number };
}

interface Watched {
  readonly clientId: number;
  readonly origin: string;
  state: OriginState['state'];
  /** Milliseconds since the epoch. */
  since: number;
  nextProbeAt: number | undefined;
  lastError: string | undefined;
  isWritten: boolean;
  renewedAt: number;
}

/**
 * Tells the database which origins a client's notifications are not sent to for now: the breakers are in this process's memory.
 * An origin that is well costs nothing but a look.
 */
export class OriginStates {
  private readonly watched = new Map<string, Watched>();

  /** @param instance UUID of this process, never used before */
  constructor(
    private readonly pool: Pool,
    private readonly instance: string,
  ) {}

  /** Notes that a probe has begun. */
  started(share: WatchedShare, clientId: number, origin: string): void {
    const known = share.health.isOpen ? this.watched.get(keyOf(clientId, origin)) : undefined;
    if (known) this.set(known, { state: 'probing', nextProbeAt: undefined });
  }

  /** Notes that an attempt has ended, and the share's health knows of it. */
  ended(share: WatchedShare, clientId: number, origin: string, result: AttemptResult): void {
    if (!share.health.isOpen && this.watched.size === 0) return;
    const key = keyOf(clientId, origin);
    const known = this.watched.get(key);
    if (!share.health.isOpen) {
      if (known && known.state !== 'closed') this.set(known, { state: 'closed', nextProbeAt: undefined, since: Date.now() });
      return;
    }
    if (!known && this.watched.size >= MAX_ORIGINS) return;
    const now = Date.now();
    const nextProbeAt = now + share.health.pauseMs(performance.now());
    const lastError = 'status' in result ? `HTTP ${result.status}` : result.error;
    if (known) {
      const since = known.state === 'closed' ? now : known.since;
      return this.set(known, { state: 'open', nextProbeAt, lastError, since });
    }
    this.watched.set(key, {
      clientId,
      origin,
      state: 'open',
      since: now,
      nextProbeAt,
      lastError,
      isWritten: false,
      renewedAt: now,
    });
  }

  /** Writes what has changed, and renews what still holds; what cannot be written is kept for the next time. */
  async flush(): Promise<void> {
    const now = Date.now();
    const due: Watched[] = [];
    for (const watched of this.watched.values()) {
      if (due.length === ROWS_AT_ONCE) break;
      if (!watched.isWritten || (watched.state !== 'closed' && now - watched.renewedAt >= RENEW_MS)) due.push(watched);
    }
    if (due.length === 0) return;
    const rows = due.map((watched) => ({ ...watched }));
    for (const watched of due) watched.isWritten = true;
    try {
      await putOriginStates(this.pool, this.instance, rows);
    } catch (error) {
      for (const watched of due) watched.isWritten = false;
      throw error;
    }
    for (const watched of due) {
      watched.renewedAt = now;
      if (watched.state === 'closed' && watched.isWritten) this.watched.delete(keyOf(watched.clientId, watched.origin));
    }
  }

  /** Says of everything that is not closed that this instance has no view of it any more. */
  async close(): Promise<void> {
    const now = Date.now();
    for (const watched of this.watched.values()) {
      if (watched.state !== 'closed') this.set(watched, { state: 'closed', nextProbeAt: undefined, since: now });
    }
    await this.flush();
  }

  private set(watched: Watched, change: Partial<Pick<Watched, 'state' | 'since' | 'nextProbeAt' | 'lastError'>>): void {
    Object.assign(watched, change);
    watched.isWritten = false;
  }
}

function keyOf(clientId: number, origin: string): string {
  return `${clientId} ${origin}`;
}
