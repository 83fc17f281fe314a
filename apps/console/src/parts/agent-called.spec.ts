import { describe, expect, it } from 'vitest';
import { agentCalled } from './agent-called';

const ANNA = { id: 94, agent_type: 'local', extension_name: '000*094@ringme.ru' } as const;
const MOBILE = { id: 7, agent_type: 'remote', agent_number: '+74950000007' } as const;
/** Has as its number what is the id of another. */
const SHORT = { id: 12, agent_type: 'remote', agent_number: '94' } as const;

describe('the agent that a text means', () => {
  it.each([
    ['000*094@ringme.ru', ANNA],
    ['94', ANNA],
    ['+74950000007', MOBILE],
    ['7', MOBILE],
  ])('%j: by name, number or id', (text, { id, agent_type }) => {
    expect(agentCalled(text, [ANNA, MOBILE])).toEqual({ id, agent_type });
  });

  it.each(['', '9', '0007', '000*094'])('%j: none, although it is a part of one', (text) => {
    expect(agentCalled(text, [ANNA, MOBILE])).toBe('unknown');
  });

  it('is in doubt where one is called by its number and another by its id, in any order', () => {
    expect(agentCalled('94', [ANNA, SHORT])).toBe('ambiguous');
    expect(agentCalled('94', [SHORT, ANNA])).toBe('ambiguous');
  });

  it('is in doubt where two have the same name', () => {
    expect(agentCalled(ANNA.extension_name, [ANNA, { ...ANNA, id: 95 }])).toBe('ambiguous');
  });

  it('is one that has its own id for a name', () => {
    expect(agentCalled('12', [{ ...SHORT, agent_number: '12' }])).toEqual({ id: 12, agent_type: 'remote' });
  });
});
