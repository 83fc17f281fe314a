import { quantile } from '../statistics.js';
import type { Measurement } from '../row.js';
import type { Lab } from './lab.js';
import type { Metered } from './meter.js';

/** Where items go in over HTTP, one a request, that each come out as one notification. */
export interface Entrance extends Metered {
  readonly url: string;
  readonly token?: string;
  /** The next item, and what its notification is known by: the agent's id and sequence. */
  readonly next: () => { readonly key: string; readonly item: object };
  /** Waits until what was notified is recorded. */
  readonly recorded?: () => Promise<void>;
  /** Waits until nothing of what came in is left to do. */
  readonly settled?: () => Promise<void>;
}

const CONNECTIONS = 64;
/** Of a paced round, changes a second. */
const RATE = 200;

/** Sends as fast as 64 connections take it. */
export async function flatOut(lab: Lab, entrance: Entrance, items: number): Promise<Measurement> {
  const requests = Array.from({ length: items }, () => requestOf(entrance.next().item));
  await lab.receivers.reset();
  const work = async (): Promise<void> => {
    await lab.load({ origin: entrance.url, token: entrance.token, method: 'POST', requests, connections: CONNECTIONS });
    await lab.receivers.until(items);
    await entrance.recorded?.();
  };
  return lab.metered(entrance, items, work, entrance.settled);
}

/**
 * Sends 200 items a second.
 *
 * @returns p50 and p99 in milliseconds, from the telemetry's request to the notification's arrival
 */
export async function paced(lab: Lab, entrance: Entrance, items: number): Promise<Measurement> {
  const sent = Array.from({ length: items }, () => entrance.next());
  const requests = sent.map(({ item }) => requestOf(item));
  await lab.receivers.reset({ note: true });
  let sentAt: readonly number[] = [];
  const work = async (): Promise<void> => {
    const load = {
      origin: entrance.url,
      token: entrance.token,
      method: 'POST',
      requests,
      connections: CONNECTIONS,
      rate: RATE,
    } as const;
    ({ sentAt } = await lab.load(load));
    await lab.receivers.until(items);
  };
  const measured = await lab.metered(entrance, items, work, entrance.settled);
  const receivedAt = new Map(await lab.receivers.notes());
  const latencies = sent.map(({ key }, nth) => receivedAt.get(key)! - sentAt[nth]!);
  return { ...measured, values: [quantile(latencies, 0.5), quantile(latencies, 0.99)] };
}

function requestOf(item: object): { readonly path: string; readonly body: string } {
  return { path: '/telemetry', body: JSON.stringify(item) };
}
