import type { AgentRef } from '../api/types';
import { nameOf } from '../board/agent-row';

/** An agent, as agent events are for it. */
export type OneAgent = Pick<AgentRef, 'id' | 'agent_type'>;

/**
 * Finds the agent that a text is the name, the number or the id of.
 *
 * @returns `unknown` where there is none; `ambiguous` where several are called so, be it one by its name and another by its id
 */
export function agentCalled(
  text: string,
  agents: readonly (OneAgent & Parameters<typeof nameOf>[0])[],
): OneAgent | 'unknown' | 'ambiguous' {
  const [one, ...others] = agents.filter((agent) => nameOf(agent) === text || String(agent.id) === text);
  if (!one) return 'unknown';
  return others.length > 0 ? 'ambiguous' : { id: one.id, agent_type: one.agent_type };
}
