import { describe, expect, it } from 'vitest';
import { ReaderProgress } from './reader-progress.js';

describe('a reader', () => {
  it('has stalled when something waits and nothing is taken for that long', () => {
    const progress = new ReaderProgress();
    const at = (bytesWritten: number, writableLength: number, now: number): boolean =>
      progress.hasStalled({ bytesWritten, writableLength }, 60, now);
    expect(at(0, 0, 0)).toBe(false);
    expect(at(100, 100, 50)).toBe(false);
    expect(at(200, 200, 100)).toBe(true); // more is written, none of it taken
  });

  it('has not while it takes a little now and then, or nothing waits', () => {
    const progress = new ReaderProgress();
    for (let now = 0; now < 1000; now += 59)
      expect(progress.hasStalled({ bytesWritten: 5000, writableLength: 5000 - now }, 60, now)).toBe(false);
    for (let now = 1000; now < 2000; now += 59)
      expect(progress.hasStalled({ bytesWritten: 5000, writableLength: 0 }, 60, now)).toBe(false);
  });
});
