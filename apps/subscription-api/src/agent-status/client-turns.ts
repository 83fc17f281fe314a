/**
 * Schedules clients' reads in turns, so that one with much to read delays nobody: one read at a time for each client, and a
 * bounded number of clients at once.
 */
export class ClientTurns {
  /** Clients with work, and what waits of each; a client that is being served stands here too. */
  private readonly queues = new Map<number, (() => Promise<void>)[]>();
  /** Those whose turn comes, in order. */
  private readonly waiting: number[] = [];
  private running = 0;

  /** @param concurrency clients that are served at the same time */
  constructor(private readonly concurrency: number) {}

  /**
   * Runs a client's work when its turn comes.
   *
   * @param isUrgent before the client's other work
   * @returns what the work answers, or throws
   */
  run<T>(clientId: number, isUrgent: boolean, work: () => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const turn = (): Promise<void> => work().then(resolve, reject);
      const queue = this.queues.get(clientId);
      if (!queue) {
        this.queues.set(clientId, [turn]);
        this.waiting.push(clientId);
      } else if (isUrgent) queue.unshift(turn);
      else queue.push(turn);
      this.next();
    });
  }

  private next(): void {
    while (this.running < this.concurrency && this.waiting.length > 0) {
      this.running++;
      void this.serve(this.waiting.shift()!);
    }
  }

  private async serve(clientId: number): Promise<void> {
    const queue = this.queues.get(clientId)!;
    await queue.shift()!();
    this.running--;
    if (queue.length > 0) this.waiting.push(clientId);
    else this.queues.delete(clientId);
    this.next();
  }
}
