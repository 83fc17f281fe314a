/** The words of the domain that cross a process boundary: contract "Words", §3, §4 and §6. */

export const AGENT_TYPES = ['local', 'remote'] as const;
/** `local` agents have an extension; `remote` (external) ones have a phone number. */
export type AgentType = (typeof AGENT_TYPES)[number];

export const AGENT_STATUSES = ['available', 'logged_out'] as const;
export type AgentStatus = (typeof AGENT_STATUSES)[number];

export const EVENT_SOURCES = ['api', 'phone'] as const;
/** What made the agent log in or out. */
export type EventSource = (typeof EVENT_SOURCES)[number];

export const EVENT_TYPES = ['agent-login', 'agent-logout'] as const;
/** What an agent event subscribes to. */
export type EventType = (typeof EVENT_TYPES)[number];

export const NOTIFICATION_METHODS = ['GET', 'POST'] as const;
export type NotificationMethod = (typeof NOTIFICATION_METHODS)[number];

/** Identifies an agent: its id is unique within its client, over both types. */
export interface AgentKey {
  readonly clientId: number;
  readonly agentId: number;
}

/** Returns what a status notifies: contract §6. `available` notifies `agent-login` subscriptions, `logged_out` notifies `agent-logout`. */
export function eventTypeOf(status: AgentStatus): EventType {
  return status === 'available' ? 'agent-login' : 'agent-logout';
}

/** Returns what an agent was before a change: with two statuses, the other one; it need not be stored. */
export function previousStatusOf(status: AgentStatus): AgentStatus {
  return status === 'available' ? 'logged_out' : 'available';
}

/** Returns the form field and JSON key that carry an agent's name: contract §3 and §6. */
export function nameFieldOf(type: AgentType): 'extension_name' | 'agent_number' {
  return type === 'local' ? 'extension_name' : 'agent_number';
}
