import { describe, expect, it } from 'vitest';
import type { AgentState } from '../decision/presence-decision.js';
import { StateMemory } from './state-memory.js';

const AGENT = { clientId: 12, agentId: 136 };
const OTHER = { clientId: 12, agentId: 137 };

const state = (sequence: number): AgentState => ({
  agentType: 'local',
  name: 'one',
  agentStatus: 'available',
  sequence,
  changedAt: 0,
  removed: false,
});

describe('the memory of agents', () => {
  it('recalls what a statement told', () => {
    const memory = new StateMemory();
    const known = state(1);
    const asking = memory.ask([AGENT, OTHER]);
    memory.learn(asking, AGENT, known);
    memory.learn(asking, OTHER, undefined);
    expect(memory.recall(AGENT)).toBe(known);
    expect(memory.isStill(AGENT, known)).toBe(true);
    expect(memory.recall(OTHER)).toBeUndefined();
  });

  it('knows nothing of an agent while a statement about it is under way', () => {
    const memory = new StateMemory();
    const known = state(1);
    memory.learn(memory.ask([AGENT]), AGENT, known);
    memory.ask([AGENT]);
    expect(memory.recall(AGENT)).toBeUndefined();
    expect(memory.isStill(AGENT, known)).toBe(false);
  });

  it.each<[string, (memory: StateMemory) => void]>([
    ['the agent was forgotten', (memory) => memory.forget(AGENT)],
    ['everything was forgotten', (memory) => memory.forgetAll()],
    ['another statement was sent', (memory) => void memory.ask([AGENT])],
    ['another statement was answered', (memory) => memory.learn(memory.ask([AGENT]), AGENT, state(2))],
  ])('keeps no answer to a statement since which %s', (_what, meanwhile) => {
    const memory = new StateMemory();
    const asking = memory.ask([AGENT]);
    meanwhile(memory);
    memory.learn(asking, AGENT, state(1));
    expect(memory.recall(AGENT)).toBeUndefined();
  });
});
