import type { AgentKey, FieldErrors, TelemetryItem } from '#contracts';
import { decideTelemetry, type AgentState } from '../decision/presence-decision.js';
import { beginDecide } from '#tracing';
import type { AgentWrite, DecidedChange } from '../log/agent-write.js';

/** What became of one item: contract §4. */
export type TelemetryResult =
  | { readonly result: 'changed' | 'unchanged' | 'stale'; readonly sequence: number }
  | { readonly result: 'rejected'; readonly errors: FieldErrors };

/** A well-formed item on its way to be decided. */
export interface PendingItem {
  readonly item: TelemetryItem;
  /** W3C trace context as whoever reported it sent it. */
  readonly traceparent: string | undefined;
  /** Undefined until it is decided. */
  result: TelemetryResult | undefined;
}

/** The items of one agent in a batch, in the order of arrival. */
export interface AgentBatch extends AgentKey {
  readonly items: PendingItem[];
}

/** Groups items by client, in order. */
export function itemsByClient(items: readonly PendingItem[]): Map<number, PendingItem[]> {
  const clients = new Map<number, PendingItem[]>();
  for (const pending of items) {
    const { clientId } = pending.item;
    const of = clients.get(clientId);
    if (of === undefined) clients.set(clientId, [pending]);
    else of.push(pending);
  }
  return clients;
}

/** Groups items by agent, in order. Two maps of numbers: cheaper than one of joined keys. */
export function batchesByAgent(items: Iterable<PendingItem>): AgentBatch[] {
  const batches: AgentBatch[] = [];
  const clients = new Map<number, Map<number, AgentBatch>>();
  for (const pending of items) {
    const { clientId, agentId } = pending.item;
    let agents = clients.get(clientId);
    if (agents === undefined) clients.set(clientId, (agents = new Map<number, AgentBatch>()));
    let agent = agents.get(agentId);
    if (agent === undefined) {
      agent = { clientId, agentId, items: [] };
      agents.set(agentId, agent);
      batches.push(agent);
    }
    agent.items.push(pending);
  }
  return batches;
}

/**
 * Decides the items of one agent one after the other, and sets their results.
 *
 * @param before the agent as it was read
 * @param newId makes the id of a change of that time, in milliseconds since the epoch
 * @returns what is to be written; undefined where nothing is
 */
export function decideBatch(
  { clientId, agentId, items }: AgentBatch,
  before: AgentState | undefined,
  newId: (at: number) => string,
): AgentWrite | undefined {
  let state = before;
  const changes: DecidedChange[] = [];
  for (const pending of items) {
    const { item, traceparent } = pending;
    const decision = decideTelemetry(state, item);
    if (decision.result === 'rejected') {
      pending.result = decision;
      continue;
    }
    const { result } = decision;
    state = decision.state;
    pending.result = { result, sequence: state.sequence };
    if (result !== 'changed') continue;
    const { name, agentStatus, sequence } = state;
    const { eventSource, occurredAt, receivedAt } = item;
    const id = newId(receivedAt);
    const hop = beginDecide({ id, clientId, agentId, sequence }, traceparent);
    changes.push({ id, name, agentStatus, eventSource, sequence, occurredAt, hop });
  }
  if (state === undefined || state === before) return undefined;
  return { clientId, agentId, before, after: state, changes };
}
