import { PassThrough } from 'node:stream';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { linesForPeople } from './logger.js';

it('makes one line of words of each line for a person', () => {
  const to = new PassThrough({ encoding: 'utf8' });
  const logger = pino({ base: { service: 'presence' } }, linesForPeople({ destination: to, colorize: false }));
  logger.warn({ attempt: 3, topics: ['a'] }, 'bus.ensure_topics_failed');
  expect(to.read()).toMatch(/^\[\d\d:\d\d:\d\d\] WARN: presence: bus\.ensure_topics_failed \{"attempt":3,"topics":\["a"\]\}\n$/);
});
