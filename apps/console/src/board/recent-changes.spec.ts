import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RECENT_MS, RecentChanges } from './recent-changes';

const NOW = 1_764_000_000_000;

describe('the changes of the last five minutes', () => {
  it('are what the API said of the time before, and each change since', () => {
    const recent = new RecentChanges();
    recent.add(NOW + 10, 'login');
    recent.replaceUntil(NOW, [{ at: NOW - 1000, logins: 4, logouts: 2 }]);
    recent.add(NOW + 20, 'logout');
    expect(recent.sum(NOW + 30)).toEqual({ logins: 5, logouts: 3 });
  });

  it('are counted once, however often the API is asked', () => {
    const recent = new RecentChanges();
    recent.replaceUntil(NOW, [{ at: NOW, logins: 4, logouts: 2 }]);
    recent.add(NOW + 2000, 'login');
    recent.add(NOW + 2001, 'login');
    const said = [{ at: NOW + 10_000, logins: 6, logouts: 2 }];
    for (let time = 0; time < 3; time += 1) recent.replaceUntil(NOW + 10_000, said);
    expect(recent.sum(NOW + 10_000)).toEqual({ logins: 6, logouts: 2 });
  });

  it('are not counted twice by an answer that was overtaken', () => {
    const recent = new RecentChanges();
    recent.replaceUntil(NOW + 5000, [{ at: NOW + 5000, logins: 3, logouts: 0 }]);
    recent.replaceUntil(NOW, [{ at: NOW, logins: 2, logouts: 0 }]);
    expect(recent.sum(NOW + 5000)).toEqual({ logins: 3, logouts: 0 });
  });

  it('go out of the count after five minutes', () => {
    const recent = new RecentChanges();
    recent.add(NOW, 'login');
    recent.add(NOW + 60_000, 'logout');
    expect(recent.sum(NOW + RECENT_MS)).toEqual({ logins: 0, logouts: 1 });
  });

  it('lose none while sums are made of them', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(RECENT_MS - 1), fc.constantFrom('login' as const, 'logout' as const))), (made) => {
        const recent = new RecentChanges();
        const inOrder = [...made].sort(([a], [b]) => a - b);
        for (const [after, change] of inOrder) recent.add(NOW + after, change);
        const count = (wanted: string): number => made.filter(([, change]) => change === wanted).length;
        expect(recent.sum(NOW + RECENT_MS - 1)).toEqual({ logins: count('login'), logouts: count('logout') });
      }),
    );
  });
});
