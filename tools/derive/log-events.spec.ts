import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { eventsOf, logEvents } from './log-events.js';

describe('log events', () => {
  it('each stands on docs/log-events.md with its level and what happened, and none that is not there', async () => {
    const rows = [
      ...(await readFile('docs/log-events.md', 'utf8')).matchAll(/^\| `([a-z_.]+)` *\| ([^|]*?) *\| ([^|]*?) *\|.*\|$/gm),
    ];
    const levels = new Map<string, string[]>();
    for (const { name, level } of await logEvents(process.cwd())) levels.set(name, [...(levels.get(name) ?? []), level]);
    const written = rows.map(([, name, level]) => `${name} ${level}`);
    const coded = [...levels].map(([name, all]) => `${name} ${all.join(' / ')}`);
    expect(written.toSorted()).toEqual(coded.toSorted());
    expect(rows.filter(([, , , what]) => !what).map(([, name]) => name)).toEqual([]);
  });

  it.each([
    [`logger.warn({ err }, 'bus.unreachable')`, [{ name: 'bus.unreachable', level: 'warn' }]],
    [`this.options.logger.info('service.stopped')`, [{ name: 'service.stopped', level: 'info' }]],
    [
      `this.log[late ? 'info' : 'warn']({}, 'a.b')`,
      [
        { name: 'a.b', level: 'info' },
        { name: 'a.b', level: 'warn' },
      ],
    ],
    [
      `logger.error({}, late ? 'a.b' : 'a.c')`,
      [
        { name: 'a.b', level: 'error' },
        { name: 'a.c', level: 'error' },
      ],
    ],
    [
      `this.logger[isLate ? 'warn' : 'info']({}, isLate ? 'a.late' : 'a.early')`,
      [
        { name: 'a.late', level: 'warn' },
        { name: 'a.early', level: 'info' },
      ],
    ],
    [`logger[name]({}, 'kafka.client')`, [{ name: 'kafka.client', level: 'as the client logs it' }]],
    [`cache.warn('a.b'); logger.warn('words'); Math.log(1)`, []],
  ])('reads %s', (source, events) => {
    expect(eventsOf(source)).toEqual(events);
  });
});
