import type { AgentKey } from '#contracts';
import { AgentMap } from '../agent-map.js';
import type { AgentState } from '../decision/presence-decision.js';

const LATEST_AGENTS = 50_000;

/** Token of a statement under way that reads or writes some agents; a newer token for an agent makes its answer void. */
export class PendingRead {}

/**
 * Remembers what agents were when this process last read or wrote them. A write may start from that, since it compares; before a
 * write is left out, {@link RecentWrites} has to tell which agents others have written.
 *
 * Statements overlap: an answer is kept only if nothing else was asked, learnt or forgotten of the agent since its statement
 * was sent.
 */
export class StateMemory {
  private readonly states = new AgentMap<AgentState | PendingRead>(LATEST_AGENTS);

  /** Returns the remembered state; undefined also while a statement about the agent is under way. */
  recall(agent: AgentKey): AgentState | undefined {
    const state = this.states.get(agent);
    return state instanceof PendingRead ? undefined : state;
  }

  /** Tells whether nothing was asked, learnt or forgotten of the agent since `state` was recalled. */
  isStill(agent: AgentKey, state: AgentState): boolean {
    return this.states.get(agent) === state;
  }

  /** Notes that a statement about the agents is about to be sent; call `learn` for each of them afterwards. */
  ask(agents: readonly AgentKey[]): PendingRead {
    const pending = new PendingRead();
    for (const agent of agents) this.states.set(agent, pending);
    return pending;
  }

  /** Keeps the answer of a statement, or forgets the agent. @param state undefined where the statement said nothing, or failed */
  learn(pending: PendingRead, agent: AgentKey, state: AgentState | undefined): void {
    if (state !== undefined && this.states.get(agent) === pending) this.states.set(agent, state);
    else this.states.delete(agent);
  }

  forget(agent: AgentKey): void {
    this.states.delete(agent);
  }

  forgetAll(): void {
    this.states.clear();
  }
}
