import { pino } from 'pino';
import { beforeEach, describe, expect, it } from 'vitest';
import { OutageLines } from './outage-lines.js';

describe('lines about a dependency that is away', () => {
  let now: number;
  let lines: Record<string, unknown>[];
  let logger: pino.Logger;

  beforeEach(() => {
    now = 0;
    lines = [];
    const outages = new OutageLines(() => now);
    const write = (line: string): void => void lines.push(JSON.parse(line) as Record<string, unknown>);
    logger = pino({ hooks: { logMethod: (args, method, level) => outages.write(args, method, logger, level) } }, { write });
  });

  const refused = () => Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:5432'), { code: 'ECONNREFUSED' });

  it('are one a second, whatever failed, without a stack, and tell how many were left out', () => {
    for (; now < 2500; now += 10) {
      logger.warn({ err: refused(), route: '/a' }, 'http.request_failed');
      logger.error({ err: new Error('query failed', { cause: refused() }) }, 'queue.claim_failed');
    }
    expect(lines).toMatchObject([
      { msg: 'http.request_failed', route: '/a', reason: 'connect ECONNREFUSED 127.0.0.1:5432' },
      { reason: expect.any(String) as string, left_out: 199 },
      { reason: expect.any(String) as string, left_out: 199 },
    ]);
    expect(JSON.stringify(lines)).not.toContain('outage-lines.spec'); // a stack would name it
  });

  it.each([
    ['a pool', new Error('timeout exceeded when trying to connect')],
    ['a server that shuts down', Object.assign(new Error('terminating connection'), { code: '57P01' })],
    ['several addresses', new AggregateError([refused(), refused()])],
  ])('are those of %s', (_, error) => {
    logger.warn({ err: error }, 'one');
    logger.warn({ err: error }, 'two');
    expect(lines).toHaveLength(1);
    expect(lines[0]).not.toHaveProperty('err');
    expect(lines[0]!['reason']).not.toBe('');
  });

  it('are never left out where the process ends with them', () => {
    logger.warn({ err: refused() }, 'http.request_failed');
    logger.fatal({ err: refused() }, 'service.start_failed');
    expect(lines).toMatchObject([{}, { msg: 'service.start_failed', reason: 'connect ECONNREFUSED 127.0.0.1:5432' }]);
  });

  it('are not those of other errors, which keep their stack', () => {
    for (let i = 0; i < 3; i++) logger.error({ err: new Error('a fault of ours') }, 'http.request_failed');
    logger.info('service.started');
    expect(lines).toHaveLength(4);
    expect(lines[0]).toMatchObject({ err: { stack: expect.stringContaining('outage-lines.spec') as string } });
  });
});
