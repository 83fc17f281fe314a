import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LOGIN_ITEM } from '../../../test/support/telemetry-item.js';
import { AGENT_STATUSES, AGENT_TYPES, EVENT_SOURCES, nameFieldOf } from './agent.js';
import { ID_LIMIT } from './id.js';
import { MAX_CLOCK_LEAD_MS, MAX_NAME_LENGTH, parseBySchema, parseTelemetry } from './telemetry.js';

const NOW = Date.UTC(2026, 10, 22, 10);
/** The example of contract §4. */
const EXAMPLE = { ...LOGIN_ITEM, occurred_at: '2026-11-22T10:00:00.123Z' };

const id = fc.integer({ min: 0, max: ID_LIMIT - 1 });
const name = fc.string({ minLength: 1, maxLength: 40 }).map((text) => `x${text.replaceAll(/[\p{Cc}\p{Cs}]/gu, '')}`);
const item = fc.record({
  clientId: id,
  agentId: id,
  agentType: fc.constantFrom(...AGENT_TYPES),
  agentStatus: fc.constantFrom(...AGENT_STATUSES),
  eventSource: fc.constantFrom(...EVENT_SOURCES),
  name: fc.option(name, { nil: undefined }),
  occurredAt: fc.option(fc.integer({ min: 0, max: NOW + MAX_CLOCK_LEAD_MS }), { nil: undefined }),
  receivedAt: fc.constant(NOW),
});

const at = (ms: number): string => new Date(NOW + ms).toISOString();

describe('parseTelemetry', () => {
  it('reads the example of the contract', () => {
    expect(parseTelemetry(EXAMPLE, NOW)).toEqual({
      ok: true,
      item: {
        clientId: 12,
        agentId: 136,
        agentType: 'local',
        agentStatus: 'available',
        eventSource: 'api',
        name: '000*094@ringme.ru',
        occurredAt: NOW + 123,
        receivedAt: NOW,
      },
    });
  });

  it('reads every item back', () => {
    fc.assert(
      fc.property(item, fc.boolean(), (wanted, idsAsText) => {
        const wire = {
          client_id: idsAsText ? String(wanted.clientId) : wanted.clientId,
          agent_id: idsAsText ? String(wanted.agentId) : wanted.agentId,
          agent_type: wanted.agentType,
          agent_status: wanted.agentStatus,
          event_source: wanted.eventSource,
          [nameFieldOf(wanted.agentType)]: wanted.name,
          occurred_at: wanted.occurredAt === undefined ? undefined : new Date(wanted.occurredAt).toISOString(),
        };
        expect(parseTelemetry(wire, NOW)).toEqual({ ok: true, item: wanted });
      }),
    );
  });

  it('answers the same by the short way and by the schema, whatever is in a field', () => {
    const anything = fc.oneof(
      fc.constantFrom(
        ...Object.values(EXAMPLE),
        undefined,
        null,
        '',
        0,
        -1,
        ID_LIMIT,
        '012',
        '\u0000',
        '\ud800',
        'x'.repeat(256),
      ),
      fc.constantFrom('2026-02-29T00:00:00Z', '2024-02-29T00:00:00Z', '2026-11-22T10:00:00+03:00', '2026-11-22T24:00:00Z'),
      fc.constantFrom('2026-11-22T10:00:00.123456789Z', '2026-11-22 10:00:00Z', '2026-11-22T10:00:00', '2027-01-01T00:00:00Z'),
      fc.constantFrom('2026-11-22t09:00:00z', '2026-11-22T09:59:60Z', '2026-02-30T00:00:00Z'),
      fc.jsonValue(),
    );
    const fields = fc.constantFrom(...Object.keys(EXAMPLE), 'agent_number');
    fc.assert(
      fc.property(fc.dictionary(fields, anything, { maxKeys: 3 }), fc.constantFrom(...AGENT_TYPES), (changes, type) => {
        const wire = { ...EXAMPLE, agent_type: type, ...changes };
        expect(parseTelemetry(wire, NOW)).toEqual(parseBySchema(wire, NOW));
      }),
      { numRuns: 500 },
    );
  });

  it('leaves open when it occurred where the item does not say, and cuts what is finer than a millisecond', () => {
    expect(parseTelemetry({ ...EXAMPLE, occurred_at: undefined }, NOW)).toMatchObject({
      item: { occurredAt: undefined, receivedAt: NOW },
    });
    expect(parseTelemetry({ ...EXAMPLE, occurred_at: '2026-11-22T10:00:00.123999Z' }, NOW)).toMatchObject({
      item: { occurredAt: NOW + 123 },
    });
  });

  it('takes null in an optional key for an absent one, and never looks at the name of the other type', () => {
    const bare = { ...EXAMPLE, extension_name: undefined, occurred_at: undefined };
    const expected = { ok: true, item: expect.objectContaining({ name: undefined, occurredAt: undefined }) as unknown };
    for (const parse of [parseTelemetry, parseBySchema]) {
      expect(parse({ ...bare, extension_name: null, occurred_at: null, agent_number: null }, NOW)).toEqual(expected);
      for (const other of [null, 7, '', '\u0000', {}, [], false, 'x'.repeat(300)]) {
        expect(parse({ ...EXAMPLE, agent_number: other }, NOW)).toMatchObject({ ok: true, item: { name: '000*094@ringme.ru' } });
        const remote = { ...EXAMPLE, agent_type: 'remote', agent_number: '+7', extension_name: other };
        expect(parse(remote, NOW)).toMatchObject({ ok: true, item: { name: '+7' } });
      }
      expect(parse({ ...EXAMPLE, unknown: { deep: [null] } }, NOW).ok).toBe(true);
    }
  });

  it('allows a clock that is ahead by five minutes and no more', () => {
    expect(parseTelemetry({ ...EXAMPLE, occurred_at: at(MAX_CLOCK_LEAD_MS) }, NOW).ok).toBe(true);
    expect(parseTelemetry({ ...EXAMPLE, occurred_at: at(MAX_CLOCK_LEAD_MS + 1) }, NOW)).toEqual({
      ok: false,
      errors: { occurred_at: ['must not be more than 5 minutes ahead'] },
    });
  });

  it.each([
    [null, { item: ['must be a JSON object'] }],
    [[], { item: ['must be a JSON object'] }],
    ['x', { item: ['must be a JSON object'] }],
    [{ ...EXAMPLE, client_id: undefined }, { client_id: ['is required'] }],
    [{ ...EXAMPLE, agent_id: '4294967296' }, { agent_id: ['must be a whole number from 0 to 4294967295'] }],
    [{ ...EXAMPLE, agent_type: 'external' }, { agent_type: ['must be one of: local, remote'] }],
    [{ ...EXAMPLE, agent_status: 'AVAILABLE' }, { agent_status: ['must be one of: available, logged_out'] }],
    [{ ...EXAMPLE, event_source: null }, { event_source: ['must be one of: api, phone'] }],
    [{ ...EXAMPLE, extension_name: 7 }, { extension_name: ['must be a string'] }],
    [{ ...EXAMPLE, agent_status: null, agent_number: 7 }, { agent_status: ['must be one of: available, logged_out'] }],
    [{ ...EXAMPLE, extension_name: '' }, { extension_name: ['must not be empty'] }],
    [{ ...EXAMPLE, extension_name: 'a\nb' }, { extension_name: ['must not contain control characters'] }],
    [{ ...EXAMPLE, extension_name: 'x'.repeat(MAX_NAME_LENGTH + 1) }, { extension_name: ['must have at most 255 characters'] }],
    [
      { ...EXAMPLE, occurred_at: 'yesterday' },
      { occurred_at: ['must be an RFC 3339 date and time, such as 2026-11-22T10:00:00.123Z'] },
    ],
  ])('names the field that is wrong: %j', (wire, errors) => {
    expect(parseTelemetry(wire, NOW)).toEqual({ ok: false, errors });
  });
});
