import { describe, expect, it } from 'vitest';
import { parseRecord, describeRejection } from './telemetry-record.js';

describe('a telemetry record', () => {
  it('is JSON in UTF-8', () => {
    expect(parseRecord(Buffer.from('{"name":"Zoë"}'))).toEqual({ value: { name: 'Zoë' } });
  });

  it.each([
    [null, 'value: must be a JSON object, is empty'],
    [Buffer.from(''), 'value: must be JSON'],
    [Buffer.from('{"client_id":'), 'value: must be JSON'],
    [Buffer.from([0x22, 0xff, 0x22]), 'value: must be UTF-8'],
  ])('is told apart from %j', (bytes, error) => {
    expect(parseRecord(bytes)).toEqual({ error });
  });

  it('has its errors on one line', () => {
    expect(describeRejection({ agent_id: ['is required'], client_id: ['a', 'b'] })).toBe(
      'agent_id: is required; client_id: a, b',
    );
  });
});
