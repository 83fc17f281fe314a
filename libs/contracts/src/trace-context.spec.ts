import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cleanTraceparent, formatTraceparent, ownTraceOf, parseTraceparent, traceparentOf } from './trace-context.js';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const SPAN = '00f067aa0ba902b7';

describe('a traceparent', () => {
  it.each([
    [`00-${TRACE}-${SPAN}-01`, true],
    [`00-${TRACE}-${SPAN}-00`, false],
    [` 00-${TRACE}-${SPAN}-01 `, true],
    // Flags of level 2 and of later versions; fields that later versions add.
    [`00-${TRACE}-${SPAN}-03`, true],
    [`00-${TRACE}-${SPAN}-02`, false],
    [`cc-${TRACE}-${SPAN}-01`, true],
    [`cc-${TRACE}-${SPAN}-01-what-the-future-will-be-like`, true],
  ])('%s is read', (text, isSampled) => {
    expect(parseTraceparent(text)).toEqual({ traceId: TRACE, spanId: SPAN, isSampled });
  });

  it.each([
    '',
    '00-x',
    `ff-${TRACE}-${SPAN}-01`,
    `00-${TRACE}-${SPAN}-01-more`,
    `00-${TRACE}-${SPAN}-01.`,
    `cc-${TRACE}-${SPAN}-01.more`,
    `00-${TRACE.toUpperCase()}-${SPAN}-01`,
    `00-${'0'.repeat(32)}-${SPAN}-01`,
    `00-${TRACE}-${'0'.repeat(16)}-01`,
    `00-${TRACE.slice(1)}-${SPAN}-01`,
    `00-${TRACE}-${SPAN}-1`,
    `00-${TRACE}-${SPAN}-01, 00-${TRACE}-${SPAN}-01`,
    `00-${'x'.repeat(5000)}`,
  ])('%s is none', (text) => {
    expect(parseTraceparent(text)).toBeUndefined();
    expect(cleanTraceparent(text)).toBeUndefined();
  });

  it('is handed on in the version that we write', () => {
    expect(cleanTraceparent(undefined)).toBeUndefined();
    expect(cleanTraceparent(`cc-${TRACE}-${SPAN}-03-more`)).toBe(`00-${TRACE}-${SPAN}-01`);
  });

  it('of a change that nobody traces follows from its id', () => {
    expect(traceparentOf('0193570E-7F4B-7A3C-8A2E-3F5C7E9D1B2A')).toBe('00-0193570e7f4b7a3c8a2e3f5c7e9d1b2a-8a2e3f5c7e9d1b2a-01');
    fc.assert(
      fc.property(fc.uuid({ version: 7 }), (id) => {
        expect(parseTraceparent(traceparentOf(id))).toEqual(ownTraceOf(id));
        expect(formatTraceparent(ownTraceOf(id))).toBe(traceparentOf(id));
        expect(cleanTraceparent(traceparentOf(id))).toBe(traceparentOf(id));
      }),
    );
  });
});
