import type { BusMessage, BusProducer } from '#bus';
import { deferred } from '#runtime';

/**
 * Tracks the rows of the outbox that a relay has sent, by position, until they are deleted. A `send` is first accepted, then
 * durable: the next batch may go out after the first moment; the rows stay until the second.
 */
export class Publications {
  private readonly underway = new Map<Promise<void>, readonly number[]>();
  private durable: number[] = [];
  /** When the first of them became durable, on the clock of `performance.now()`. */
  private durableSince = 0;

  /** @param onLoss called with why something that was accepted did not become durable: its rows are to be sent again */
  constructor(
    private readonly producer: BusProducer,
    private readonly topic: string,
    private readonly onLoss: (error: unknown) => void,
  ) {}

  /** Tells whether everything that was sent is deleted. */
  get isEmpty(): boolean {
    return this.underway.size === 0 && this.durable.length === 0;
  }

  /** Returns the positions on their way: neither to be sent nor to be deleted. */
  get positionsUnderway(): number[] {
    return [...this.underway.values()].flat();
  }

  /** Returns the positions to be deleted. */
  get positionsDurable(): readonly number[] {
    return this.durable;
  }

  /** @returns how long there has been something to delete, in milliseconds */
  get durableFor(): number {
    return this.durable.length === 0 ? 0 : performance.now() - this.durableSince;
  }

  /**
   * Sends messages, and keeps the positions of their rows.
   *
   * @param onDurable called when all of it is durable
   * @returns when what is sent next stands behind them
   * @throws when the bus does not take them
   */
  async send(messages: readonly BusMessage[], positions: readonly number[], onDurable: () => void): Promise<void> {
    let isAccepted = false;
    const accepted = deferred();
    const onAccepted = (): void => {
      isAccepted = true;
      accepted.resolve();
    };
    const sent = messages.length === 0 ? Promise.resolve() : this.producer.send(this.topic, messages, { onAccepted });
    const ended = sent.then(
      () => {
        this.underway.delete(ended);
        if (this.durable.length === 0) this.durableSince = performance.now();
        for (const position of positions) this.durable.push(position);
        onDurable();
      },
      (error: unknown) => {
        this.underway.delete(ended);
        if (isAccepted) this.onLoss(error);
      },
    );
    this.underway.set(ended, positions);
    await Promise.race([accepted.promise, sent]);
  }

  /** Resolves when nothing is on its way any more. */
  async settled(): Promise<void> {
    while (this.underway.size > 0) await Promise.all(this.underway.keys());
  }

  /** Forgets positions that have been deleted. */
  forget(positions: readonly number[]): void {
    const gone = new Set(positions);
    this.durable = this.durable.filter((position) => !gone.has(position));
  }
}
