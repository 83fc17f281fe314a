import { HttpConnection, type ConnectionOwner, type Left } from './connection.js';
import type { Connect } from './connector.js';
import type { Exchange, Holder } from './exchange.js';

/** A connection that comes up for one exchange. */
class Opening implements Holder {
  constructor(private readonly giveUp: () => void) {}

  drop(): void {
    this.giveUp();
  }
}

/** The connections to one origin, and what waits for one. */
export class OriginPool implements ConnectionOwner, Holder {
  /** The last used one last, which is the next to be used: the others get old, and are closed. */
  private readonly idle: HttpConnection[] = [];
  private readonly connections = new Set<HttpConnection>();
  private readonly openings = new Map<Opening, Exchange>();
  private readonly waiting = new Set<Exchange>();
  private closedBecause: Error | undefined;

  /**
   * @param limit most connections
   * @param onEmpty called when the last connection is closed and nothing waits
   */
  constructor(
    private readonly origin: URL,
    private readonly limit: number,
    private readonly connect: Connect,
    private readonly onEmpty: () => void,
  ) {}

  /** Sends an exchange, once there is a connection for it. */
  dispatch(exchange: Exchange): void {
    const connection = this.idle.pop();
    if (connection) connection.carry(exchange);
    else if (this.connections.size + this.openings.size < this.limit) this.open(exchange);
    else {
      exchange.holder = this;
      this.waiting.add(exchange);
    }
  }

  /** Forgets an exchange that waits. */
  drop(exchange: Exchange): void {
    this.waiting.delete(exchange);
  }

  /** Closes the connections that have been idle for too long. */
  closeIdle(now: number): void {
    for (const connection of this.idle.filter(({ idleUntil }) => idleUntil <= now)) connection.close(undefined);
  }

  /** Closes every connection; whatever is under way ends with the reason. */
  close(reason: Error): void {
    this.closedBecause = reason;
    const exchanges = [...this.waiting, ...this.openings.values()];
    this.waiting.clear();
    for (const opening of [...this.openings.keys()]) opening.drop();
    for (const exchange of exchanges) exchange.onConnectionEnd(reason);
    for (const connection of [...this.connections]) connection.close(reason);
  }

  onFree(connection: HttpConnection): void {
    const next = this.takeWaiting();
    if (next) connection.carry(next);
    else this.idle.push(connection);
  }

  onClosed(connection: HttpConnection, exchange: Exchange | undefined, left: Left, error: Error | undefined): void {
    this.connections.delete(connection);
    const at = this.idle.indexOf(connection);
    if (at >= 0) this.idle.splice(at, 1);
    if (exchange) this.goOn(exchange, left, error);
    this.refill();
  }

  private goOn(exchange: Exchange, left: Left, error: Error | undefined): void {
    if (this.closedBecause) exchange.onConnectionEnd(this.closedBecause);
    else if (left === 'unsent') this.dispatch(exchange);
    // Once: on a new connection it counts as cut.
    else if (left === 'unanswered') this.open(exchange);
    else exchange.onConnectionEnd(error);
  }

  private open(exchange: Exchange): void {
    const giveUp = this.connect(this.origin, exchange.terms.clientId, (error, socket) => {
      this.openings.delete(opening);
      if (socket) {
        const connection = new HttpConnection(socket, this);
        this.connections.add(connection);
        connection.carry(exchange);
      } else {
        exchange.onConnectionEnd(error);
        this.refill();
      }
    });
    const opening = new Opening(() => {
      giveUp();
      this.openings.delete(opening);
      this.refill();
    });
    this.openings.set(opening, exchange);
    exchange.holder = opening;
  }

  /** A place has become free. */
  private refill(): void {
    const next = this.takeWaiting();
    if (next) this.dispatch(next);
    else if (this.connections.size + this.openings.size === 0) this.onEmpty();
  }

  private takeWaiting(): Exchange | undefined {
    const [next] = this.waiting;
    if (next) this.waiting.delete(next);
    return next;
  }
}
