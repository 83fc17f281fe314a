/** Counts how much of something each client has in hand, so that none takes all of it. */
export class ClientCount {
  private readonly counts = new Map<number, number>();

  /** Returns how much a client has. */
  of(clientId: number): number {
    return this.counts.get(clientId) ?? 0;
  }

  /** Counts one more of a client, or one less. */
  add(clientId: number, by: 1 | -1): void {
    const count = this.of(clientId) + by;
    if (count > 0) this.counts.set(clientId, count);
    else this.counts.delete(clientId);
  }

  /** Lists the clients that have so much, or more. */
  withAtLeast(count: number): number[] {
    return [...this.counts].flatMap(([clientId, has]) => (has >= count ? [clientId] : []));
  }
}
