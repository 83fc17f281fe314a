import { type EventStream, LogBatch, type LogFrame } from '../streams/streams.module.js';

/**
 * Reads a client's entries after a position, in order.
 *
 * @param limit most entries that are answered
 * @param writtenMs how long ago they can have been written at most, in milliseconds; undefined: in no known time
 */
export type ReadFrames = (
  after: number,
  upTo: number,
  limit: number,
  writtenMs: number | undefined,
) => Promise<readonly LogFrame[]>;

/** Entries that are read at a time. */
const PAGE = 100;
/** Positions, of all clients, that a stream which is behind reads over at a time. */
const WINDOW = 50_000;
/** A change is made, by clocks that differ, and committed within this time, in milliseconds. */
const WRITING_MS = 3_600_000;

/**
 * Serves the streams of one client with one read of the log for all of them. A stream that is behind (it resumes from an old
 * cursor, or its reader does not keep up) reads on its own until it has come to where the hub stands, and then joins.
 */
export class ClientHub {
  private readonly streams = new Set<EventStream>();
  /** Those that are sent what the hub reads. */
  private readonly joined = new Set<EventStream>();
  /** Everything up to it was sent to the streams that have joined. */
  private position: number;
  /** When that was the end of the log, in milliseconds since the epoch. */
  private readAt = Date.now();
  /** How far there is something to read. */
  private upTo: number;
  private isReading = false;

  /**
   * @param position where the log's mark stands
   * @param pause waits after a failure, which it is told
   * @param next where one goes on that has read everything up to a position: past positions at which there never is anything
   */
  constructor(
    position: number,
    private readonly read: ReadFrames,
    private readonly pause: (error: unknown) => Promise<void>,
    private readonly next: (position: number) => number = (position) => position,
  ) {
    this.position = this.upTo = position;
  }

  get isEmpty(): boolean {
    return this.streams.size === 0;
  }

  /** Serves a stream until it is closed. */
  add(stream: EventStream): void {
    this.streams.add(stream);
    stream.body.once('close', () => {
      this.streams.delete(stream);
      this.joined.delete(stream);
    });
    void this.catchUp(stream);
  }

  /** Reads on after the log's mark has moved. @param hasEntries whether it may have passed entries of this client */
  moved(position: number, hasEntries: boolean): void {
    if (hasEntries) {
      this.upTo = Math.max(this.upTo, position);
      void this.readTail();
    } else if (!this.isReading) {
      this.setPosition(Math.max(this.position, position));
      this.upTo = this.position;
    }
  }

  /** Resets the streams that are past a position, since positions above it will be given out again. */
  wentBack(position: number): void {
    this.position = this.upTo = position;
    for (const stream of this.streams) if (stream.cursor > position) stream.reset(position, 'unknown_cursor');
  }

  private async readTail(): Promise<void> {
    if (this.isReading) return;
    this.isReading = true;
    while (this.position < this.upTo) {
      const { position, upTo } = this;
      if (this.isEmpty) {
        this.setPosition(upTo); // for nobody; who comes later reads on its own
        break;
      }
      try {
        const batch = new LogBatch(await this.read(position, upTo, PAGE, Date.now() - this.readAt + WRITING_MS));
        if (this.position !== position) continue; // it went back meanwhile
        this.setPosition(endOf(batch, upTo));
        this.fanOut(batch);
      } catch (error) {
        await this.pause(error);
      }
    }
    this.isReading = false;
  }

  private setPosition(position: number): void {
    this.position = position;
    if (position >= this.upTo) this.readAt = Date.now();
  }

  private fanOut(batch: LogBatch): void {
    for (const stream of this.joined) {
      if (stream.send(batch, this.position)) continue;
      this.joined.delete(stream);
      void this.catchUp(stream);
    }
  }

  private async catchUp(stream: EventStream): Promise<void> {
    for (;;) {
      await stream.room();
      if (stream.isEnded) return;
      const { cursor } = stream;
      // A cursor of another instance may be ahead of the hub: what the stream is past is not sent to it.
      if (cursor >= this.position) return void this.joined.add(stream);
      const upTo = Math.min(this.position, cursor + WINDOW);
      try {
        const batch = new LogBatch(await this.read(cursor, upTo, PAGE, undefined));
        const end = Math.min(this.position, this.next(endOf(batch, upTo)));
        if (stream.cursor === cursor) stream.send(batch, end); // otherwise it was reset meanwhile
      } catch (error) {
        await this.pause(error);
      }
    }
  }
}

/** Tells how far a read came that asked for everything up to a position. */
function endOf(batch: LogBatch, upTo: number): number {
  return batch.length === PAGE ? batch.last! : upTo;
}
