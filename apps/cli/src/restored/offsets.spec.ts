import { describe, expect, it } from 'vitest';
import { planRewind } from './offsets.js';

describe('where telemetry is consumed from after a restore', () => {
  const plan = (low: number, high: number, from?: number, topicId = 'a') =>
    planRewind({ id: 'a', partitions: [{ partition: 3, low, high }] }, [
      { topicId: 'a', partition: 4, from: 1 },
      ...(from === undefined ? [] : [{ topicId, partition: 3, from }]),
    ])[0];

  it('is where the database had come to', () => {
    expect(plan(0, 100, 40)).toEqual({ partition: 3, offset: 40, records: 60, lost: 0 });
    expect(plan(40, 100, 100)).toEqual({ partition: 3, offset: 100, records: 0, lost: 0 });
  });

  it('is the oldest record that is kept, where some before it are gone', () => {
    expect(plan(50, 100, 40)).toEqual({ partition: 3, offset: 50, records: 50, lost: 10 });
  });

  it('is the beginning of what the database does not know', () => {
    expect(plan(7, 100)).toEqual({ partition: 3, offset: 7, records: 93, lost: 0 });
    expect(plan(7, 100, 40, 'b')).toEqual({ partition: 3, offset: 7, records: 93, lost: 0 });
  });

  it('is never beyond the end', () => {
    expect(plan(0, 10, 40)).toEqual({ partition: 3, offset: 10, records: 0, lost: 0 });
  });
});
