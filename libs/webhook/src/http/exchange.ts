import { AttemptFailure } from '../failure.js';
import { AnswerReader } from './answer-reader.js';

/** An answer that goes on for longer than this after its head costs the connection, in milliseconds: contract §6. */
const MAX_REST_MS = 1000;
/** An idle connection is kept for this long where the receiver does not say how long it keeps it, in milliseconds. */
const KEEP_IDLE_MS = 4000;
/** Where it does, for this much less than it says, since what is sent has to arrive in time, … */
const KEEP_IDLE_MARGIN_MS = 2000;
/** … and at most for this long. */
const MAX_KEEP_IDLE_MS = 60_000;

/** A receiver's answer. */
export interface Answer {
  readonly status: number;
  /** Every `Retry-After` header, joined by commas. */
  readonly retryAfter: string | undefined;
  /** Its first bytes. */
  readonly body: Buffer;
  /** Whether there were more of them. */
  readonly isCut: boolean;
  /** From the start of the exchange to the end of the answer's head, in milliseconds. */
  readonly latencyMs: number;
}

/** On which terms a request is sent. */
export interface SendTerms {
  /** The client whose share of the name look-ups it takes. */
  readonly clientId: number;
  /** When the attempt began, which its timeout counts from, in milliseconds of `performance.now()`. */
  readonly startedAt: number;
  /** Nothing is written after this moment, in milliseconds of `performance.now()`: what the request says may not hold any more. */
  readonly sendBy: number;
}

/** The moment by which the request had to be sent has passed before there was a connection for it; nothing was sent. */
export class NotSentError extends Error {
  override readonly name = 'NotSentError';
}

/** Called once. */
export type Settle = (error: Error | undefined, answer: Answer | undefined) => void;

/** Current owner of an exchange: the queue for a connection, a connection that comes up, or the one that carries it. */
export interface Holder {
  /** Lets go of it: nothing more of it is sent or read. */
  drop(exchange: Exchange): void;
}

/** One request and its answer. It is settled as soon as its outcome is known, and may be read to its end after that. */
export class Exchange {
  holder: Holder | undefined;
  private readonly reader = new AnswerReader();
  private latencyMs = 0;
  private timer: NodeJS.Timeout;

  /**
   * @param request as it goes over the wire
   * @param timeoutMs for all of it, from its start, in milliseconds
   */
  constructor(
    readonly request: string,
    readonly terms: SendTerms,
    private readonly timeoutMs: number,
    private settle: Settle | undefined,
  ) {
    const elapsed = performance.now() - terms.startedAt;
    this.timer = setTimeout(() => this.onTimeout(), Math.max(1, timeoutMs - elapsed));
  }

  /** Ends it where its time to be sent has passed. @returns whether it may be sent */
  mayBeSent(): boolean {
    if (performance.now() < this.terms.sendBy) return true;
    this.fail(new NotSentError());
    return false;
  }

  /** Returns how long the connection may idle after the exchange, in milliseconds; 0 or less when it has to be closed. */
  get keepIdleMs(): number {
    const { hasEnded, isReusable, keepAliveMs } = this.reader;
    if (!hasEnded || !isReusable) return 0;
    return keepAliveMs === undefined ? KEEP_IDLE_MS : Math.min(keepAliveMs - KEEP_IDLE_MARGIN_MS, MAX_KEEP_IDLE_MS);
  }

  /**
   * Takes the next bytes of the connection.
   *
   * @returns whether the exchange has come to its end
   */
  onData(chunk: Buffer): boolean {
    const { reader } = this;
    const wasHeadRead = reader.isHeadRead;
    try {
      reader.push(chunk);
    } catch (error) {
      this.fail(error as Error);
      return true;
    }
    if (!reader.isHeadRead) return false;
    if (!wasHeadRead) this.latencyMs = performance.now() - this.terms.startedAt;
    if (reader.isKept) this.succeed();
    if (reader.hasEnded) clearTimeout(this.timer);
    else if (!wasHeadRead) this.shortenTimer();
    return reader.hasEnded;
  }

  /** Notes that the connection came to its end before the answer did, or did not come up. */
  onConnectionEnd(error: Error | undefined): void {
    if (this.reader.isHeadRead) this.succeed();
    else this.fail(error ?? new AttemptFailure('connection closed before the answer was complete', 'closed'));
    clearTimeout(this.timer);
  }

  private onTimeout(): void {
    if (this.reader.isHeadRead) this.succeed();
    else this.fail(new AttemptFailure(`timed out after ${this.timeoutMs / 1000} s`, 'timeout'));
    this.holder?.drop(this);
  }

  private shortenTimer(): void {
    const left = this.timeoutMs - this.latencyMs;
    if (left <= MAX_REST_MS) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.onTimeout(), MAX_REST_MS);
  }

  private succeed(): void {
    const { settle, reader, latencyMs } = this;
    this.settle = undefined;
    if (!settle) return;
    const { status, retryAfter, body, isCut } = reader;
    settle(undefined, { status, retryAfter, body, isCut, latencyMs });
  }

  private fail(error: Error): void {
    const { settle } = this;
    this.settle = undefined;
    clearTimeout(this.timer);
    settle?.(error, undefined);
  }
}
