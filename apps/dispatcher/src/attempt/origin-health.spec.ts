import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isAlive, OriginHealth } from './origin-health.js';

const answer = (status: number) => ({ status, latencyMs: 1, body: '', retryAfter: undefined });

/** Most requests at once that it admits now. */
function limitOf(health: OriginHealth, now = 0): number {
  let inFlight = 0;
  while (health.admits(inFlight, now) && inFlight < 1000) inFlight += 1;
  return inFlight;
}

function fail(health: OriginHealth, times: number, now = 0): void {
  for (let n = 0; n < times; n++) health.ended(false, 10, now);
}

describe('the health of an origin', () => {
  it('counts who answers for themselves as alive', () => {
    for (const status of [200, 302, 404, 410, 429, 500]) expect(isAlive(answer(status))).toBe(true);
    for (const status of [502, 503, 504]) expect(isAlive(answer(status))).toBe(false);
    expect(isAlive({ error: 'connection refused', kind: 'refused', latencyMs: 1 })).toBe(false);
  });

  it('begins with a few requests at once and allows more with every quick answer', () => {
    const health = new OriginHealth(128);
    expect(limitOf(health)).toBe(8);
    for (let n = 0; n < 20; n++) health.ended(true, 5, 0);
    expect(limitOf(health)).toBe(28);
    for (let n = 0; n < 1000; n++) health.ended(true, 5, 0);
    expect(limitOf(health)).toBe(128);
  });

  it('allows fewer to one that is slow', () => {
    const health = new OriginHealth(128);
    for (let n = 0; n < 50; n++) health.ended(true, 5, 0);
    for (let n = 0; n < 100; n++) health.ended(true, 5000, 0);
    expect(limitOf(health)).toBe(8);
    expect(health.backlogLimit).toBeLessThan(30);
  });

  it('keeps less waiting for one that does not answer', () => {
    const health = new OriginHealth(128);
    const before = health.backlogLimit;
    health.stillWaiting(4000);
    expect(health.backlogLimit).toBeLessThan(before);
    expect(health.backlogLimit).toBe(20);
  });

  it('sends nothing after failures in a row, then one probe, and all again when that is answered', () => {
    const health = new OriginHealth(128);
    fail(health, 4);
    expect(health.isOpen).toBe(false);
    fail(health, 1);
    expect([health.isOpen, health.admits(0, 0), health.pauseMs(0)]).toEqual([true, false, 1000]);
    expect(health.admits(0, 1000)).toBe(true);
    health.started();
    expect(health.admits(0, 1000)).toBe(false);
    health.ended(true, 5, 1010);
    expect([health.isOpen, limitOf(health, 1010)]).toEqual([false, 9]);
  });

  it('pauses twice as long after each probe that fails, up to five seconds', () => {
    const health = new OriginHealth(128);
    fail(health, 5);
    const pauses: number[] = [];
    for (let now = 0, n = 0; n < 7; n++) {
      pauses.push(health.pauseMs(now));
      now += health.pauseMs(now);
      health.started();
      health.ended(false, 5, now);
    }
    expect(pauses).toEqual([1000, 2000, 4000, 5000, 5000, 5000, 5000]);
  });

  it('asks again with another probe when one was not sent after all', () => {
    const health = new OriginHealth(128);
    fail(health, 5);
    health.started();
    health.cancelled();
    expect(health.admits(0, 1000)).toBe(true);
  });

  it('never admits more than its maximum, and never nothing for ever', () => {
    const steps = fc.array(fc.record({ alive: fc.boolean(), latency: fc.nat(20_000), pause: fc.nat(5000) }), { maxLength: 200 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200 }), steps, (max, list) => {
        const health = new OriginHealth(max);
        let now = 0;
        for (const { alive, latency, pause } of list) {
          now += pause;
          if (!health.isOpen) expect(limitOf(health, now)).toBeLessThanOrEqual(max);
          if (!health.admits(0, now)) continue;
          health.started();
          health.ended(alive, latency, now);
        }
        expect(health.admits(0, now + 30_000)).toBe(true);
      }),
    );
  });
});
