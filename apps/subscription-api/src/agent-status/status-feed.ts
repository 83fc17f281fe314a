import { Inject, Injectable, type OnModuleDestroy } from '@nestjs/common';
import { setTimeout as delay } from 'node:timers/promises';
import { ApiError } from '#http';
import type { Logger } from '#runtime';
import { LOGGER } from '../tokens.js';
import { advance, type HighWaterMark } from './high-water-mark.js';
import { StatusLogRepository, type LoggedChange } from './status-log.repository.js';

const POLL_MS = 200;
const POLL_AFTER_FAILURE_MS = 2000;
const MAX_POSITIONS = 5000;
const MAX_ROWS = 500;
/** A mark that was not moved for this long starts anew from what is settled, in milliseconds. */
const STALE_MS = 60_000;
/** Silence after which a stream says that it is alive, in milliseconds: below the idle timeouts of common proxies. */
const HEARTBEAT_MS = 15_000;
/** A token's life: a stream does not outlive what it was opened with, and the client resumes with a new one. */
const MAX_STREAM_MS = 3_600_000;
const MAX_STREAMS = 1000;

/** What a stream brings: a change, or (undefined) that there is none. `cursor` is where to resume. */
export interface StreamItem {
  readonly cursor: number;
  readonly change: LoggedChange | undefined;
}

interface Stream {
  readonly clientId: number;
  /** The last position of the client's changes that the mark has passed. */
  last: number;
  wake: () => void;
}

/** Follows the status-change log for everybody who streams; while nobody does, it does not look. */
@Injectable()
export class StatusFeed implements OnModuleDestroy {
  private mark: HighWaterMark = { position: 0, probe: undefined };
  private movedAt = Number.NEGATIVE_INFINITY;
  private moving: Promise<void> | undefined;
  private readonly streams = new Set<Stream>();
  private polling: Promise<void> | undefined;
  private readonly stopping = new AbortController();

  constructor(
    private readonly log: StatusLogRepository,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  async onModuleDestroy(): Promise<void> {
    this.stopping.abort();
    for (const { wake } of this.streams) wake();
    await this.polling;
  }

  /** Everything at or below it has been seen, or never will be. */
  async highWaterMark(): Promise<number> {
    await (this.moving ??= this.move().finally(() => (this.moving = undefined)));
    return this.mark.position;
  }

  /**
   * A client's changes after a cursor, as they come, without omissions. Ends when the signal aborts, the service stops,
   * or a token's life has passed.
   *
   * @throws ApiError `unavailable` when there are too many streams
   */
  async *follow(clientId: number, after: number, signal: AbortSignal): AsyncGenerator<StreamItem> {
    if (this.streams.size >= MAX_STREAMS)
      throw new ApiError('unavailable', 'Too many streams', { headers: { 'retry-after': '10' } });
    const stream: Stream = { clientId, last: 0, wake: () => undefined };
    this.streams.add(stream);
    this.polling ??= this.poll();
    const until = Date.now() + MAX_STREAM_MS;
    let cursor = after;
    try {
      yield { cursor, change: undefined };
      while (!this.ended(signal) && Date.now() < until) {
        const upTo = Math.max(cursor, await this.highWaterMark());
        const changes = await this.log.read(clientId, { after: cursor, upTo }, MAX_ROWS);
        for (const change of changes) yield { cursor: (cursor = change.position), change };
        if (changes.length === MAX_ROWS) continue;
        cursor = upTo;
        while (stream.last <= cursor && !this.ended(signal) && Date.now() < until) {
          if (!(await this.woken(stream, signal))) yield { cursor: (cursor = Math.max(cursor, stream.last)), change: undefined };
        }
      }
    } finally {
      this.streams.delete(stream);
    }
  }

  private ended(signal: AbortSignal): boolean {
    return signal.aborted || this.stopping.signal.aborted;
  }

  /** @returns false when nothing happened for as long as a stream may be silent */
  private async woken(stream: Stream, signal: AbortSignal): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise<boolean>((resolve) => {
        const wake = (): void => resolve(true);
        stream.wake = wake;
        signal.addEventListener('abort', wake, { once: true });
        timer = setTimeout(() => resolve(false), HEARTBEAT_MS);
        if (this.ended(signal)) wake();
      });
    } finally {
      clearTimeout(timer);
      stream.wake = () => undefined;
    }
  }

  private async poll(): Promise<void> {
    while (this.streams.size > 0 && !this.stopping.signal.aborted) {
      let pause = POLL_MS;
      try {
        await this.highWaterMark();
      } catch (error) {
        this.logger.warn({ err: error }, 'status_feed.read_failed'); // streams stay open; the next look may succeed
        pause = POLL_AFTER_FAILURE_MS;
      }
      await delay(pause, undefined, { signal: this.stopping.signal }).catch(() => undefined);
    }
    this.polling = undefined;
  }

  /** Reads on until there is nothing new; tells the streams of clients that have changes. */
  private async move(): Promise<void> {
    if (Date.now() - this.movedAt > STALE_MS) {
      const settled = await this.log.settledPosition();
      if (settled > this.mark.position) {
        this.mark = { position: settled, probe: undefined };
        // What was leapt over was not looked at: every stream reads for itself.
        for (const stream of this.streams) {
          stream.last = settled;
          stream.wake();
        }
      }
    }
    for (;;) {
      const from = this.mark.position;
      const { rows, open } = await this.log.readPositions(from, MAX_POSITIONS);
      const now = Date.now();
      this.mark = advance(
        this.mark,
        rows.map(({ position }) => position),
        open,
        now,
      );
      this.movedAt = now;
      this.tell(rows);
      if (rows.length < MAX_POSITIONS || this.mark.position === from) return;
    }
  }

  private tell(rows: readonly { position: number; client_id: number }[]): void {
    if (this.streams.size === 0) return;
    const lastOf = new Map<number, number>();
    for (const { position, client_id } of rows) if (position <= this.mark.position) lastOf.set(client_id, position);
    for (const stream of this.streams) {
      const last = lastOf.get(stream.clientId);
      if (last === undefined) continue;
      stream.last = last;
      stream.wake();
    }
  }
}
