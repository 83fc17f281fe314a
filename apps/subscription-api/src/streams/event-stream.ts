import type { FastifyReply } from 'fastify';
import { Readable } from 'node:stream';
import type { ResetReason } from './frames.js';
import { KEEP_ALIVE, OPENING, resetFrame } from './frames.js';
import type { LogBatch } from './log-batch.js';

/** Sets the headers of a stream of events. */
export function describeStream(reply: FastifyReply): void {
  reply
    .header('content-type', 'text/event-stream; charset=utf-8')
    .header('cache-control', 'no-cache, no-store')
    .header('x-accel-buffering', 'no')
    // A stream ends when somebody leaves; a connection kept for another request would only hold up the service's stop.
    .header('connection', 'close');
}

/** Beyond it a reader does not keep up, in bytes; what its connection holds comes on top. */
const MAX_BUFFERED = 16 * 1024;

/** One reader's stream of events. It buffers little: a slow reader gets the rest from the log later. */
export class EventStream {
  /** What is sent to the reader. */
  readonly body = new Readable({ highWaterMark: MAX_BUFFERED, read: () => this.makeRoom() });
  private isFull = false;
  private hasEnd = false;
  private waiting: (() => void) | undefined;
  /** Milliseconds since the epoch. */
  private sentAt = 0;
  private sentUpTo: number;

  /** @param cursor everything up to it has been sent, or is not wanted */
  constructor(cursor: number) {
    this.sentUpTo = cursor;
    this.body.on('close', () => this.makeRoom());
    this.push(OPENING);
  }

  get cursor(): number {
    return this.sentUpTo;
  }

  get isEnded(): boolean {
    return this.hasEnd || this.body.destroyed;
  }

  /**
   * Sends the entries after the stream's cursor.
   *
   * @param upTo there is nothing else up to this position
   * @returns false where there is no room for more
   */
  send(batch: LogBatch, upTo: number): boolean {
    const bytes = batch.bytesAfter(this.sentUpTo);
    if (bytes) this.push(bytes);
    this.sentUpTo = Math.max(this.sentUpTo, upTo);
    return !this.isFull;
  }

  /** Sends events that may be lost, if there is room. */
  hint(frames: string): void {
    if (!this.isFull) this.push(frames);
  }

  /** Tells the reader that the stream goes on at another cursor than it asked for. */
  reset(cursor: number, reason: ResetReason): void {
    this.sentUpTo = cursor;
    this.push(resetFrame(cursor, reason));
  }

  /** Sends a keep-alive comment if the stream was silent for this long, in milliseconds. */
  keepAlive(silentMs: number): void {
    if (!this.isFull && Date.now() - this.sentAt >= silentMs) this.push(KEEP_ALIVE);
  }

  /** Resolves when there is room, or the stream has ended. One at a time may wait. */
  async room(): Promise<void> {
    if (this.isFull && !this.isEnded) await new Promise<void>((resolve) => (this.waiting = resolve));
  }

  /** Ends the stream after what is already buffered. */
  end(): void {
    if (this.isEnded) return;
    this.hasEnd = true;
    this.body.push(null);
    this.makeRoom();
  }

  private push(chunk: string | Buffer): void {
    if (this.isEnded) return;
    this.sentAt = Date.now();
    if (!this.body.push(chunk)) this.isFull = true;
  }

  private makeRoom(): void {
    this.isFull = false;
    this.waiting?.();
    this.waiting = undefined;
  }
}
