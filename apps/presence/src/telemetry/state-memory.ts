import { partitionKey, type AgentKey } from '#contracts';
import { LRUCache } from 'lru-cache';
import type { AgentState } from '../decision/presence-decision.js';

const MAX_AGENTS = 50_000;

/**
 * What agents were when this process last wrote them. Another process may have written them since, so it is a guess: good
 * enough to write from, since the write compares, and never to leave a write out.
 */
export class StateMemory {
  private readonly states = new LRUCache<string, AgentState>({ max: MAX_AGENTS });

  recall(agent: AgentKey): AgentState | undefined {
    return this.states.get(partitionKey(agent));
  }

  keep(agent: AgentKey, state: AgentState): void {
    this.states.set(partitionKey(agent), state);
  }
}
