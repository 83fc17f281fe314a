import { describe, expect, it } from 'vitest';
import { ClientTurns } from './client-turns.js';

describe('the turns of clients', () => {
  /** Work that says when it runs, and ends when it is told to. */
  function workOf(log: string[], name: string): { run: () => Promise<string>; end: () => void } {
    let end = (): void => undefined;
    const promise = new Promise<string>((resolve) => (end = () => resolve(name)));
    return {
      run: () => {
        log.push(name);
        return promise;
      },
      end: () => end(),
    };
  }

  const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

  it('let no client wait for all the work of another', async () => {
    const log: string[] = [];
    const turns = new ClientTurns(1);
    const works = ['a1', 'a2', 'a3', 'b1'].map((name) => workOf(log, name));
    const done = works.map((work, nth) => turns.run(nth < 3 ? 1 : 2, false, work.run));
    for (const { end } of works) end();
    expect(await Promise.all(done)).toEqual(['a1', 'a2', 'a3', 'b1']);
    expect(log).toEqual(['a1', 'b1', 'a2', 'a3']);
  });

  it('are one at a time for a client, and bounded in all', async () => {
    const log: string[] = [];
    const turns = new ClientTurns(2);
    const works = ['a1', 'a2', 'b1', 'c1'].map((name) => workOf(log, name));
    const done = works.map((work, nth) => turns.run([1, 1, 2, 3][nth]!, false, work.run));
    await settled();
    expect(log).toEqual(['a1', 'b1']);
    works[0]!.end();
    await settled();
    expect(log).toEqual(['a1', 'b1', 'c1']);
    for (const { end } of works) end();
    await Promise.all(done);
    expect(log).toEqual(['a1', 'b1', 'c1', 'a2']);
  });

  it('put urgent work first, and go on after work that fails', async () => {
    const log: string[] = [];
    const turns = new ClientTurns(1);
    const failed = turns.run(1, false, () => Promise.reject(new Error('away')));
    const later = turns.run(1, false, () => Promise.resolve(log.push('later')));
    const urgent = turns.run(1, true, () => Promise.resolve(log.push('urgent')));
    await expect(failed).rejects.toThrow('away');
    await Promise.all([later, urgent]);
    expect(log).toEqual(['urgent', 'later']);
  });
});
