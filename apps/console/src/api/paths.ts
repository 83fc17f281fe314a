import type { AgentRef, AgentType } from './types';
import { ofClient } from './http';

/** Whose an agent event is: an agent's, or (null) every agent's. */
export type EventOwner = Pick<AgentRef, 'id' | 'agent_type'> | null;

export function agentPath(type: AgentType, id: number): string {
  return ofClient(`/agent/${type}/${id}`);
}

/** Returns where agent events of an owner are made and listed. */
export function eventsPath(owner: EventOwner): string {
  return owner ? `${agentPath(owner.agent_type, owner.id)}/event/` : ofClient('/agent_events/');
}

export function eventPath(owner: EventOwner, id: number): string {
  return `${eventsPath(owner)}${id}`;
}

/** Returns the owner of the agent event that a delivery belongs to. */
export function ownerOf(delivery: { agent_event: { all_agents: boolean | null }; agent: AgentRef | null }): EventOwner {
  return delivery.agent_event.all_agents ? null : delivery.agent;
}
