import type { AgentKey } from '#contracts';
import { AgentMap } from '../agent-map.js';
import type { AgentState } from '../decision/presence-decision.js';

const LATEST_AGENTS = 50_000;

/** A statement under way that will tell what some agents are. */
export class Asking {}

/**
 * What agents were when this process last read or wrote them. Good enough to write from as it is, since a write compares; to
 * leave a write out, ask {@link RecentWrites} first who else has written.
 *
 * Statements overlap: an answer is kept only if nothing else was asked, learnt or forgotten of the agent since its statement
 * was sent.
 */
export class StateMemory {
  private readonly states = new AgentMap<AgentState | Asking>(LATEST_AGENTS);

  /** Undefined also while a statement about the agent is under way. */
  recall(agent: AgentKey): AgentState | undefined {
    const state = this.states.get(agent);
    return state instanceof Asking ? undefined : state;
  }

  /** Whether nothing has been asked, learnt or forgotten of the agent since `state` was recalled. */
  isStill(agent: AgentKey, state: AgentState): boolean {
    return this.states.get(agent) === state;
  }

  /** Call before a statement that reads or writes the agents is sent, and `learn` of each of them afterwards. */
  ask(agents: readonly AgentKey[]): Asking {
    const asking = new Asking();
    for (const agent of agents) this.states.set(agent, asking);
    return asking;
  }

  /** @param state what the statement told; undefined where it told nothing, or failed */
  learn(asking: Asking, agent: AgentKey, state: AgentState | undefined): void {
    if (state !== undefined && this.states.get(agent) === asking) this.states.set(agent, state);
    else this.states.delete(agent);
  }

  forget(agent: AgentKey): void {
    this.states.delete(agent);
  }

  forgetAll(): void {
    this.states.clear();
  }
}
