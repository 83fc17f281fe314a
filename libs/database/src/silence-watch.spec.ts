import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isLost } from './silence-watch.js';

const session = { server: '2026-01-01 10:00:00.000001+00', pid: 7 };
const ANOTHER = '2026-01-01 10:00:30.000002+00';
const waiting = fc.integer({ min: 0, max: 60_000 });
const pids = fc.array(fc.integer({ min: 1, max: 20 }));

describe('an answer that is waited for', () => {
  it('never comes where another server has taken the place, whatever that one works on', () => {
    fc.assert(fc.property(waiting, pids, (ms, atWork) => isLost(session, ms, { server: ANOTHER, atWork })));
  });

  it('comes, however long it takes, where the server works on it', () => {
    fc.assert(
      fc.property(waiting, pids, (ms, others) => !isLost(session, ms, { server: session.server, atWork: [...others, 7] })),
    );
  });

  it('is given two seconds to arrive, or for its question to, where the server works on nothing of it', () => {
    const word = { server: session.server, atWork: [6, 8] };
    expect(isLost(session, 1999, word)).toBe(false);
    expect(isLost(session, 2000, word)).toBe(true);
  });
});
