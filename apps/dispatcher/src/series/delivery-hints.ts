import type { Pool } from '#database';
import { deliveryId } from '#webhook';
import { notifyDeliveries } from './series.repository.js';

/** A delivery that something has become of. */
export interface HintedDelivery {
  readonly agentEventId: number;
  readonly changeId: string;
}

/** Deliveries of a client that are told at a time; of more, no more is told. */
const MAX_OF_CLIENT = 200;
const MAX_CLIENTS = 1000;
/** Deliveries of one notification, whose payload PostgreSQL bounds to 8,000 bytes. */
const DELIVERIES_AT_ONCE = 100;

/**
 * Tells whoever watches deliveries which of them to look at: contract §3, `/delivery/stream`. After they were recorded, some at a
 * time, and not all of them in a flood: a hint, not a log.
 */
export class DeliveryHints {
  private readonly pending = new Map<number, Set<string>>();

  constructor(private readonly pool: Pool) {}

  note(clientId: number, { changeId, agentEventId }: HintedDelivery): void {
    let ids = this.pending.get(clientId);
    if (!ids) {
      if (this.pending.size >= MAX_CLIENTS) return;
      this.pending.set(clientId, (ids = new Set()));
    }
    if (ids.size < MAX_OF_CLIENT) ids.add(deliveryId(changeId, agentEventId));
  }

  /** Tells what was noted since; what cannot be told is left out. */
  async flush(): Promise<void> {
    if (this.pending.size === 0) return;
    const payloads: string[] = [];
    for (const [clientId, ids] of this.pending) {
      const all = [...ids];
      for (let from = 0; from < all.length; from += DELIVERIES_AT_ONCE) {
        payloads.push([clientId, ...all.slice(from, from + DELIVERIES_AT_ONCE)].join(' '));
      }
    }
    this.pending.clear();
    await notifyDeliveries(this.pool, payloads);
  }
}
