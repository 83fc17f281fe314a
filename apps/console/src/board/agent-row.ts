import type { Agent, AgentStatus, AgentType, StatusChange } from '../api/types';

/** An agent as the board has it; a new object whenever something of it changes. */
export interface AgentRow {
  readonly id: number;
  readonly type: AgentType;
  readonly name: string;
  readonly status: AgentStatus;
  /** When it came into its status, in milliseconds; undefined: never reported. */
  readonly since: number | undefined;
  readonly sequence: number;
  readonly source: 'api' | 'phone' | undefined;
  /** Changed while one was looking. */
  readonly fresh: boolean;
  /** What a search looks through, in lower case. */
  readonly text: string;
}

/** Returns the name or number of an agent, or its id where it has none. */
export function nameOf(agent: {
  readonly id?: number | string;
  readonly agent_id?: number;
  readonly extension_name?: string;
  readonly agent_number?: string;
  readonly name?: string | null;
}): string {
  return agent.extension_name ?? agent.agent_number ?? agent.name ?? `#${agent.agent_id ?? agent.id}`;
}

export function rowOfAgent(agent: Agent, known?: AgentRow): AgentRow {
  const name = nameOf(agent);
  return {
    id: agent.id,
    type: agent.agent_type,
    name,
    status: agent.agent_status,
    since: agent.status_since === null ? undefined : Date.parse(agent.status_since),
    sequence: agent.sequence,
    source: known?.sequence === agent.sequence ? known.source : undefined,
    fresh: known?.fresh ?? false,
    text: `${agent.id} ${name}`.toLowerCase(),
  };
}

/** @returns the row as it is where the change is no news: streams may repeat, and a snapshot may be ahead of them */
export function applyChange(row: AgentRow | undefined, change: StatusChange): AgentRow | undefined {
  if (row && change.sequence <= row.sequence) return row;
  const name = nameOf(change);
  return {
    id: change.agent_id,
    type: change.agent_type,
    name,
    status: change.agent_status,
    since: Date.parse(change.occurred_at),
    sequence: change.sequence,
    source: change.event_source,
    fresh: true,
    text: `${change.agent_id} ${name}`.toLowerCase(),
  };
}
