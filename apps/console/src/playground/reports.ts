import type { Agent, AgentStatus, TelemetryResult } from '../api/types';

/** What can be reported of an agent in the playground. Pure. */

export type Act = 'login' | 'logout' | 'repeat' | 'late';

/** A report that was made, and what presence said to it. */
export interface Report {
  readonly agent: Agent;
  readonly name: string;
  readonly status: AgentStatus;
  readonly act: Act;
  /** RFC 3339. */
  readonly at: string;
  readonly result: TelemetryResult | undefined;
}

/** As old as a late report is, in milliseconds. */
const LATE_MS = 10 * 60_000;

export interface Item {
  readonly agent_type: Agent['agent_type'];
  readonly agent_id: number;
  readonly agent_status: AgentStatus;
  readonly event_source: 'phone';
  readonly occurred_at?: string;
}

/** Makes the telemetry of an act: contract §4. A late report says the opposite of what is, as of before it was. */
export function itemOf(agent: Agent, act: Act, now: Date): Item {
  const item = { agent_type: agent.agent_type, agent_id: agent.id, event_source: 'phone' } as const;
  const other = agent.agent_status === 'available' ? 'logged_out' : 'available';
  switch (act) {
    case 'login':
      return { ...item, agent_status: 'available' };
    case 'logout':
      return { ...item, agent_status: 'logged_out' };
    case 'repeat':
      return { ...item, agent_status: agent.agent_status };
    case 'late': {
      const last = agent.status_since === null ? now.getTime() : Date.parse(agent.status_since);
      const at = Math.min(now.getTime(), last) - LATE_MS;
      return { ...item, agent_status: other, occurred_at: new Date(at).toISOString() };
    }
  }
}

/** Says what presence made of a report, in a sentence. */
export function resultWords(answer: TelemetryResult): string {
  switch (answer.result) {
    case 'changed':
      return `It changed the status: change ${answer.sequence} of this agent.`;
    case 'unchanged':
      return 'It repeats the status that the agent has: nothing changes, nobody is told.';
    case 'stale':
      return 'It is older than the last change: it counts no more.';
    case 'rejected':
      return `It is refused: ${Object.entries(answer.errors)
        .map(([field, why]) => `${field} ${why.join(', ')}`)
        .join('; ')}.`;
  }
}
