import { describe, expect, it } from 'vitest';
import { changedFields, type EventFields } from './event-fields';

const opened: EventFields = { url: 'https://crm.example.com/a', event_type: 'agent-login', method: 'POST', agent_type: null };

describe('what was changed in a form', () => {
  it('is nothing where it says what it said', () => expect(changedFields(opened, { ...opened })).toEqual({}));

  it.each([
    { url: 'https://crm.example.com/b' },
    { event_type: 'agent-logout' as const },
    { method: 'GET' as const },
    { agent_type: 'local' as const },
    { url: '', method: 'GET' as const },
  ])('is %j, and nothing else', (change) => expect(changedFields(opened, { ...opened, ...change })).toEqual(change));

  it('is also that it is for both types again', () => {
    expect(changedFields({ ...opened, agent_type: 'remote' }, opened)).toEqual({ agent_type: null });
  });

  it('leaves out what the form does not ask for', () => {
    const { url, event_type, method } = opened;
    expect(changedFields(opened, { url, event_type, method })).toEqual({});
  });
});
