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
    void periodic.atOnceAndEvery(1000, piece('one'));
    void periodic.atOnceAndEvery(1000, piece('two'));
    await periodic.stop();
    expect(log).toEqual(['one begins', 'one ends', 'two begins', 'two ends']);
  });

  it('is left out while it has not ended', async () => {
    const periodic = new PeriodicWork(() => undefined);
    let end = (): void => undefined;
    const work = vi.fn(() => new Promise<void>((resolve) => (end = resolve)));
    periodic.every(1000, work);
    await vi.advanceTimersByTimeAsync(5000);
    expect(work).toHaveBeenCalledTimes(1);
    end();
    await vi.advanceTimersByTimeAsync(1000);
    expect(work).toHaveBeenCalledTimes(2);
    end();
    await periodic.stop();
    await vi.advanceTimersByTimeAsync(5000);
    expect(work).toHaveBeenCalledTimes(2);
  });
});
