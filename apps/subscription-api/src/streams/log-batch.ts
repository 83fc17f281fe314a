/** An entry of a client's log, as it is sent. */
export interface LogFrame {
  readonly position: number;
  readonly frame: string;
}

/** Entries in order, encoded once for however many streams they go to. Pure. */
export class LogBatch {
  private readonly bytes: Buffer;

  constructor(private readonly frames: readonly LogFrame[]) {
    this.bytes = encode(frames);
  }

  get length(): number {
    return this.frames.length;
  }

  /** Returns the position of the last entry; undefined: there is none. */
  get last(): number | undefined {
    return this.frames.at(-1)?.position;
  }

  /** Returns the bytes for a stream that has everything up to a cursor; undefined: nothing. */
  bytesAfter(cursor: number): Buffer | undefined {
    const [first] = this.frames;
    if (first === undefined || this.last! <= cursor) return undefined;
    return cursor < first.position ? this.bytes : encode(this.frames.filter(({ position }) => position > cursor));
  }
}

function encode(frames: readonly LogFrame[]): Buffer {
  return Buffer.from(frames.map(({ frame }) => frame).join(''));
}
