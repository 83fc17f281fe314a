import type { Socket } from 'node:net';
import type { Exchange, Holder } from './exchange.js';

/** State of an exchange whose connection has ended. */
export type Left =
  /** Nothing of it was sent. */
  | 'unsent'
  /** It was sent on a connection that had carried others, and nothing came back: contract §6. */
  | 'unanswered'
  | 'cut';

/** A connection that came up too late for its exchange is kept for this long, for its next try, in milliseconds. */
const KEEP_UNUSED_MS = 4000;

/** Listener of a connection. */
export interface ConnectionOwner {
  /** Called when the connection can carry the next exchange. */
  onFree(connection: HttpConnection): void;
  /** Called when the connection is closed. @param exchange the one that it carried, if that has not ended */
  onClosed(connection: HttpConnection, exchange: Exchange | undefined, left: Left, error: Error | undefined): void;
}

/** A connection that is up: carries one exchange at a time. */
export class HttpConnection implements Holder {
  /** When it is closed if nobody has used it, in milliseconds of `performance.now()`. */
  idleUntil = 0;
  private exchange: Exchange | undefined;
  /** Of the exchange that it carries. */
  private left: Left = 'unsent';
  private hasCarried = false;
  private isClosed = false;

  constructor(
    private readonly socket: Socket,
    private readonly owner: ConnectionOwner,
  ) {
    socket.on('data', (chunk: Buffer) => this.onData(chunk));
    socket.on('end', () => this.close(undefined));
    socket.on('error', (error) => this.close(error));
    socket.on('close', () => this.close(undefined));
  }

  /**
   * Sends an exchange, on a connection that was idle only after what has arrived on it was read: an end of it, or bytes that
   * nobody asked for and that must not be taken for the answer.
   */
  carry(exchange: Exchange): void {
    this.exchange = exchange;
    this.left = 'unsent';
    exchange.holder = this;
    if (this.hasCarried) setImmediate(sendAfterReading, this);
    else this.send();
  }

  drop(exchange: Exchange): void {
    if (this.exchange !== exchange) return;
    this.exchange = undefined;
    this.close(undefined);
  }

  close(error: Error | undefined): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.socket.destroy();
    const { exchange } = this;
    this.exchange = undefined;
    this.owner.onClosed(this, exchange, this.left, error);
  }

  send(): void {
    if (!this.exchange || this.isClosed) return;
    if (!this.exchange.mayBeSent()) return this.release(KEEP_UNUSED_MS);
    this.left = this.hasCarried ? 'unanswered' : 'cut';
    this.socket.write(this.exchange.request);
  }

  private onData(chunk: Buffer): void {
    const { exchange } = this;
    if (!exchange || this.left === 'unsent') return this.close(undefined); // nobody asked for it
    this.left = 'cut';
    if (!exchange.onData(chunk)) return;
    this.hasCarried = true;
    this.release(exchange.keepIdleMs);
  }

  /** Waits for the next exchange, for so many milliseconds. */
  private release(idleMs: number): void {
    this.exchange = undefined;
    if (idleMs <= 0) return this.close(undefined);
    this.idleUntil = performance.now() + idleMs;
    this.owner.onFree(this);
  }
}

/** Between two immediates the event loop asks for all that is to be read; before the first it may just have done so. */
function sendAfterReading(connection: HttpConnection): void {
  setImmediate(send, connection);
}

function send(connection: HttpConnection): void {
  connection.send();
}
