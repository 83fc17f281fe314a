import { ApiError } from '#http';

/** Streams that an instance holds: of one client, and in all. */
export interface PlaceLimits {
  readonly perClient: number;
  readonly inAll: number;
}

/** Seconds after which a place may be free. */
const RETRY_AFTER_SECONDS = 10;

/** Limits how many streams an instance holds, per client and in all. */
export class StreamPlaces {
  private readonly taken = new Map<number, number>();
  private inAll = 0;

  constructor(private readonly limits: PlaceLimits) {}

  /**
   * Takes a place for a stream of a client.
   *
   * @returns gives it back; safe to call twice
   * @throws ApiError `unavailable` when there is none
   */
  take(clientId: number): () => void {
    const { perClient, inAll } = this.limits;
    const ofClient = this.taken.get(clientId) ?? 0;
    if (ofClient >= perClient) throw noPlace(`The client has ${perClient} streams, which is the most that there may be`);
    if (this.inAll >= inAll) throw noPlace('Too many streams are open');
    this.taken.set(clientId, ofClient + 1);
    this.inAll++;
    let isTaken = true;
    return () => {
      if (!isTaken) return;
      isTaken = false;
      this.inAll--;
      const left = this.taken.get(clientId)! - 1;
      if (left > 0) this.taken.set(clientId, left);
      else this.taken.delete(clientId);
    };
  }
}

function noPlace(message: string): ApiError {
  return new ApiError('unavailable', message, { headers: { 'retry-after': String(RETRY_AFTER_SECONDS) } });
}
