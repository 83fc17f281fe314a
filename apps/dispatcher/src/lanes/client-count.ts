/** How much of something is in hand of each client, so that none takes all of it. */
export class ClientCount {
  private readonly counts = new Map<number, number>();

  of(clientId: number): number {
    return this.counts.get(clientId) ?? 0;
  }

  add(clientId: number, by: 1 | -1): void {
    const count = this.of(clientId) + by;
    if (count > 0) this.counts.set(clientId, count);
    else this.counts.delete(clientId);
  }

  /** Clients with so much, or more. */
  withAtLeast(count: number): number[] {
    return [...this.counts].flatMap(([clientId, has]) => (has >= count ? [clientId] : []));
  }
}
