/** What is looked at of a connection. */
export interface SocketBytes {
  /** Bytes that were written, and of those the ones that the system has not taken yet. */
  readonly bytesWritten: number;
  readonly writableLength: number;
}

/** Tells whether a reader takes what it is sent. The clock is a parameter. */
export class ReaderProgress {
  private taken = -1;
  private since = 0;

  /**
   * @param forMs milliseconds
   * @param now milliseconds
   * @returns whether something waits, and nothing was taken for this long
   */
  hasStalled({ bytesWritten, writableLength }: SocketBytes, forMs: number, now: number): boolean {
    const taken = bytesWritten - writableLength;
    if (writableLength === 0 || taken !== this.taken) {
      this.taken = taken;
      this.since = now;
      return false;
    }
    return now - this.since >= forMs;
  }
}
