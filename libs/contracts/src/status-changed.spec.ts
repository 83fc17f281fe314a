import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AGENT_STATUSES, AGENT_TYPES, EVENT_SOURCES } from './agent.js';
import { ID_LIMIT } from './id.js';
import { decodeStatusChange, encodeStatusChange, type StatusChange } from './status-changed.js';

const TRACEPARENT = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
const CHANGE: StatusChange = {
  id: '019aaa00-0000-7000-8000-000000000001',
  clientId: 12,
  agentId: 136,
  agentType: 'local',
  name: '000*094@ringme.ru',
  agentStatus: 'available',
  eventSource: 'api',
  sequence: 42,
  occurredAt: Date.parse('2026-11-22T10:00:00.123Z'),
  changedAt: Date.parse('2026-11-22T10:00:00.140Z'),
};

describe('the status topic', () => {
  it('carries the value of the contract, key for key', () => {
    const { value, headers } = encodeStatusChange(CHANGE, TRACEPARENT);
    expect(value).toBe(
      '{"client_id":"12","agent_id":136,"agent_type":"local","extension_name":"000*094@ringme.ru",' +
        '"agent_status":"available","previous_status":"logged_out","event_source":"api","sequence":42,' +
        '"occurred_at":"2026-11-22T10:00:00.123Z","changed_at":"2026-11-22T10:00:00.140Z"}',
    );
    expect(headers).toMatchObject({ ce_specversion: '1.0', ce_id: CHANGE.id, ce_subject: '12:136', traceparent: TRACEPARENT });
  });

  it('gives back what was written', () => {
    const id = fc.integer({ min: 0, max: ID_LIMIT - 1 });
    const time = fc.integer({ min: 0, max: Date.parse('2100-01-01T00:00:00Z') });
    const change = fc.record({
      id: fc.uuid({ version: 7 }),
      clientId: id,
      agentId: id,
      agentType: fc.constantFrom(...AGENT_TYPES),
      name: fc.string({ minLength: 1 }),
      agentStatus: fc.constantFrom(...AGENT_STATUSES),
      eventSource: fc.constantFrom(...EVENT_SOURCES),
      sequence: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
      occurredAt: time,
      changedAt: time,
    });
    fc.assert(
      fc.property(change, (written) => {
        const { value, headers } = encodeStatusChange(written, TRACEPARENT);
        expect(decodeStatusChange(value, headers)).toEqual({ ...written, traceparent: TRACEPARENT });
      }),
    );
  });

  it('reads no record that its schema refuses, whatever stands in a field', () => {
    const { value, headers } = encodeStatusChange(CHANGE, TRACEPARENT);
    const wire = JSON.parse(value) as Record<string, unknown>;
    const odd = fc.oneof(
      fc.jsonValue(),
      fc.constantFrom(
        '12',
        'local',
        'available',
        'api',
        '2026-02-31T00:00:00Z',
        '2026-11-22T24:00:00Z',
        '2026-11-22T10:00:00Z',
        0,
        1,
        1.5,
      ),
    );
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(wire)), odd, (field, instead) => {
        let read: StatusChange;
        try {
          read = decodeStatusChange(JSON.stringify({ ...wire, [field]: instead }), headers);
        } catch {
          return;
        }
        expect(Number.isSafeInteger(read.clientId) && Number.isSafeInteger(read.agentId) && read.sequence > 0).toBe(true);
        expect([read.occurredAt, read.changedAt].some(Number.isNaN)).toBe(false);
        expect(AGENT_TYPES).toContain(read.agentType);
        expect(AGENT_STATUSES).toContain(read.agentStatus);
        expect(EVENT_SOURCES).toContain(read.eventSource);
        // Dates that do not exist would come back as others.
        if (field === 'occurred_at')
          expect(new Date(read.occurredAt).toISOString().slice(0, 19)).toBe((instead as string).slice(0, 19));
      }),
      { numRuns: 1000 },
    );
  });

  it.each(['0000-01-01T00:00:00.000Z', '1969-12-31T23:59:59.999Z', '9999-12-31T23:59:59.999Z'])(
    'refuses a change at %s, to which no window can be added',
    (changed_at) => {
      const { value, headers } = encodeStatusChange(CHANGE, TRACEPARENT);
      const wrong = JSON.stringify({ ...(JSON.parse(value) as object), changed_at });
      expect(() => decodeStatusChange(wrong, headers)).toThrow('must be a time');
    },
  );

  it('refuses what presence did not write', () => {
    const { value, headers } = encodeStatusChange(CHANGE, TRACEPARENT);
    expect(() => decodeStatusChange('{', headers)).toThrow();
    expect(() => decodeStatusChange(value, {})).toThrow('ce_id');
    expect(() => decodeStatusChange(value.replace('extension_name', 'agent_number'), headers)).toThrow(
      'extension_name is required',
    );
    expect(() => decodeStatusChange(value.replace('"sequence":42', '"sequence":0'), headers)).toThrow('sequence');
  });
});
