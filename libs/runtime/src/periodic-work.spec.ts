import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { PeriodicWork } from './periodic-work.js';

describe('periodic work', () => {
  beforeEach(() => vi.useFakeTimers());
  afterEach(() => vi.useRealTimers());

  it('is done again after it failed, which is told', async () => {
    const errors: unknown[] = [];
    const periodic = new PeriodicWork((error) => errors.push(error));
    const failure = new Error('not this time');
    const work = vi.fn<() => Promise<void>>().mockRejectedValueOnce(failure).mockResolvedValue(undefined);
    periodic.every(1000, work);
    expect(work).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(2000);
    await periodic.stop();
    expect(work).toHaveBeenCalledTimes(2);
    expect(errors).toEqual([failure]);
    await vi.advanceTimersByTimeAsync(2000);
    expect(work).toHaveBeenCalledTimes(2);
  });

  it('is done one piece at a time, and waited for by the stop', async () => {
    const periodic = new PeriodicWork(() => undefined);
    const log: string[] = [];
    const piece = (name: string) => async () => {
      log.push(`${name} begins`);
      await Promise.resolve();
      log.push(`${name} ends`);
    };
    void periodic.run(piece('one'));
    void periodic.run(piece('two'));
    await periodic.stop();
    expect(log).toEqual(['one begins', 'one ends', 'two begins', 'two ends']);
  });
});
