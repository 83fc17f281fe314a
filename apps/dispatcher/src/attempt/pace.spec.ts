import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Pace } from './pace.js';

describe('the pace of a process', () => {
  it('is not known before there was work', () => {
    const pace = new Pace();
    pace.note(0, 100, 0.01, true);
    expect([pace.sentWithin(150), pace.timeFor(100)]).toEqual([Infinity, 0]);
  });

  it('bounds nothing in a process that is hardly busy', () => {
    const pace = new Pace();
    for (let nth = 0; nth < 30; nth++) pace.note(10, 100, 0.2, true);
    expect([pace.sentWithin(150), pace.timeFor(100)]).toEqual([Infinity, 0]);
  });

  it('is told by the time of work alone, and takes no time as long as there is some left', () => {
    const pace = new Pace();
    for (let nth = 0; nth < 30; nth++) pace.note(120, 100, 0.6, true);
    expect(pace.sentWithin(150)).toBeCloseTo(300);
    expect(pace.timeFor(100)).toBe(0);
  });

  it('is what a busy process has made', () => {
    const pace = new Pace();
    for (let nth = 0; nth < 30; nth++) pace.note(200, 100, 1, true);
    expect(pace.sentWithin(150)).toBeCloseTo(300);
    expect(pace.timeFor(300)).toBeCloseTo(150);
  });

  it('still counts right after a busy moment, when what has gathered in it is late, and no longer than that', () => {
    const pace = new Pace();
    pace.note(100, 100, 1, true);
    pace.note(100, 100, 0.3, true);
    expect(pace.timeFor(100)).toBeGreaterThan(0);
    for (let nth = 0; nth < 5; nth++) pace.note(100, 100, 0.3, true);
    expect(pace.timeFor(100)).toBe(0);
  });

  it('is none where a busy process has made nothing, and nothing is out of time there', () => {
    const pace = new Pace();
    pace.note(0, 100, 1, true);
    expect([pace.sentWithin(150), pace.timeFor(1), pace.timeFor(0)]).toEqual([0, Infinity, 0]);
  });

  it('is not told by a while in which it could have been more', () => {
    const pace = new Pace();
    for (let nth = 0; nth < 30; nth++) pace.note(200, 100, 1, true);
    for (let nth = 0; nth < 30; nth++) pace.note(10, 100, 0.7, false);
    expect(pace.sentWithin(150)).toBeCloseTo(300);
  });

  it('is told by a busy process also where nothing waits, unless it made nothing: there was nothing to be made', () => {
    const pace = new Pace();
    for (let nth = 0; nth < 30; nth++) pace.note(200, 100, 1, false);
    for (let nth = 0; nth < 30; nth++) pace.note(0, 100, 1, false);
    expect(pace.sentWithin(150)).toBeCloseTo(300);
  });

  it('is between the slowest and the fastest that was measured', () => {
    const measured = fc.record({
      ended: fc.nat(1000),
      ms: fc.double({ min: 1, max: 5000, noNaN: true }),
      utilization: fc.double({ min: 0.9, max: 1, noNaN: true }),
    });
    fc.assert(
      fc.property(fc.array(measured, { minLength: 1 }), (all) => {
        const pace = new Pace();
        for (const { ended, ms, utilization } of all) pace.note(ended, ms, utilization, true);
        const rates = all.map(({ ended, ms, utilization }) => (ended * 1000) / (ms * utilization));
        expect(pace.sentWithin(1000)).toBeGreaterThanOrEqual(Math.min(...rates) * (1 - 1e-9));
        expect(pace.sentWithin(1000)).toBeLessThanOrEqual(Math.max(...rates) * (1 + 1e-9));
      }),
    );
  });
});
