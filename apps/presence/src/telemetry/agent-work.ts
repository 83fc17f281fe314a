import type { AgentKey, FieldErrors, TelemetryItem } from '#contracts';
import { decide, type AgentState } from '../decision/presence-decision.js';
import { beginDecide } from '#tracing';
import type { AgentWrite, DecidedChange } from '../log/agent-write.js';

/** What became of one item: contract §4. */
export type TelemetryResult =
  | { readonly result: 'changed' | 'unchanged' | 'stale'; readonly sequence: number }
  | { readonly result: 'rejected'; readonly errors: FieldErrors };

/** A well-formed item and the place where its result goes. */
export interface Slot {
  readonly item: TelemetryItem;
  readonly results: TelemetryResult[];
  readonly index: number;
  /** W3C trace context as whoever reported it sent it. */
  readonly traceparent: string | undefined;
}

/** The items of one agent in a batch, in the order of arrival. */
export interface AgentWork extends AgentKey {
  readonly slots: Slot[];
}

/** Groups items by client, in order. */
export function slotsByClient(slots: readonly Slot[]): Map<number, Slot[]> {
  const clients = new Map<number, Slot[]>();
  for (const slot of slots) {
    const { clientId } = slot.item;
    const of = clients.get(clientId);
    if (of === undefined) clients.set(clientId, [slot]);
    else of.push(slot);
  }
  return clients;
}

/** Groups items by agent, in order. Two maps of numbers: cheaper than one of joined keys. */
export function groupByAgent(slots: Iterable<Slot>): AgentWork[] {
  const work: AgentWork[] = [];
  const clients = new Map<number, Map<number, AgentWork>>();
  for (const slot of slots) {
    const { clientId, agentId } = slot.item;
    let agents = clients.get(clientId);
    if (agents === undefined) clients.set(clientId, (agents = new Map<number, AgentWork>()));
    let agent = agents.get(agentId);
    if (agent === undefined) {
      agent = { clientId, agentId, slots: [] };
      agents.set(agentId, agent);
      work.push(agent);
    }
    agent.slots.push(slot);
  }
  return work;
}

/**
 * Decides the items of one agent one after the other, and puts their results in place.
 *
 * @param before the agent as it was read
 * @param newId makes the id of a change of that time, in milliseconds since the epoch
 * @returns what is to be written; undefined where nothing is
 */
export function decideWork(
  work: AgentWork,
  before: AgentState | undefined,
  newId: (at: number) => string,
): AgentWrite | undefined {
  let state = before;
  const changes: DecidedChange[] = [];
  for (const { item, results, index, traceparent } of work.slots) {
    const decision = decide(state, item);
    if (decision.result === 'rejected') {
      results[index] = decision;
      continue;
    }
    const { result } = decision;
    state = decision.state;
    results[index] = { result, sequence: state.sequence };
    if (result !== 'changed') continue;
    const { name, agentStatus, sequence } = state;
    const { eventSource, occurredAt, receivedAt } = item;
    const id = newId(receivedAt);
    const hop = beginDecide({ id, clientId: work.clientId, agentId: work.agentId, sequence }, traceparent);
    changes.push({ id, name, agentStatus, eventSource, sequence, occurredAt, hop });
  }
  if (state === undefined || state === before) return undefined;
  return { clientId: work.clientId, agentId: work.agentId, before, after: state, changes };
}
