import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AGENT_STATUSES, AGENT_TYPES, EVENT_SOURCES } from '#contracts';
import { encodePairs } from './notification.js';

describe('the pairs of a notification', () => {
  it('are the documented example, to the byte', () => {
    const pairs = encodePairs({
      agentStatus: 'available',
      agentType: 'local',
      eventSource: 'api',
      agentId: 136,
      name: '000*094@ringme.ru',
    });
    expect(pairs).toBe(
      'agent_status=available&agent_type=local&event_source=api&agent_id=136&extension_name=000*094%40ringme.ru',
    );
  });

  it('carry the number of a remote agent with its plus encoded, and no extension', () => {
    const pairs = encodePairs({
      agentStatus: 'logged_out',
      agentType: 'remote',
      eventSource: 'phone',
      agentId: 4_294_967_295,
      name: '+7 495 123',
    });
    expect(pairs).toBe(
      'agent_status=logged_out&agent_type=remote&event_source=phone&agent_id=4294967295&agent_number=%2B7+495+123',
    );
  });

  it('bring every name back as it was', () => {
    const change = fc.record({
      agentStatus: fc.constantFrom(...AGENT_STATUSES),
      agentType: fc.constantFrom(...AGENT_TYPES),
      eventSource: fc.constantFrom(...EVENT_SOURCES),
      agentId: fc.nat(),
      name: fc.string({ unit: 'grapheme', minLength: 1 }).filter((name) => name.isWellFormed()),
    });
    fc.assert(
      fc.property(change, (one) => {
        const pairs = encodePairs(one);
        expect(pairs).toMatch(/^[\x21-\x7e]*$/);
        expect([...new URLSearchParams(pairs).values()].at(-1)).toBe(one.name);
      }),
    );
  });
});
