import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { frameOf, KEEP_ALIVE, OPENING, resetFrame } from './frames.js';

describe('the frames of a stream', () => {
  it('are one event each, whatever stands in the data', () => {
    fc.assert(
      fc.property(fc.nat(), fc.string({ unit: 'binary' }), (id, name) => {
        const lines = frameOf(id, 'agent', { name }).split(/\r\n|\r|\n/);
        expect(lines).toHaveLength(5);
        expect(lines.slice(0, 2)).toEqual([`id: ${id}`, 'event: agent']);
        expect(JSON.parse(lines[2]!.replace(/^data: /, ''))).toEqual({ name });
        expect(lines.slice(3)).toEqual(['', '']);
      }),
    );
  });

  it('are no event where there is none to tell', () => {
    for (const text of [OPENING, KEEP_ALIVE]) expect(text).toMatch(/^(retry: \d+|: .*)\n$/);
  });

  it('tell a reset by its reason', () => {
    expect(resetFrame(7, 'unknown_cursor')).toBe('id: 7\nevent: reset\ndata: {"reason":"unknown_cursor"}\n\n');
  });
});
