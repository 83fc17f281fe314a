import type { AgentWork, AttemptRecord, EntryWork, RowResult, RowWork } from '../lanes/agent-work.js';
import { fallsBehind, type ViewOf } from '../lanes/lane-table.js';

/** An agent event that falls behind for an agent. */
export interface NewRow {
  readonly entry: EntryWork;
  readonly attempts: number;
  /** From now, in milliseconds; undefined: it sleeps. */
  readonly dueMs: number | undefined;
  /** Its request is out, and may be until it is due. */
  readonly isOut: boolean;
  /** What it sleeps for: the delivery at the head of its lane. */
  readonly blockedBy: { readonly agentEventId: number; readonly changeId: string | undefined } | undefined;
}

/** Result of writing an agent's snapshot. */
export interface Recorded {
  readonly moved: boolean;
  /** The cursor as it was before. */
  readonly cursorBefore: number | undefined;
}

export interface RowOutcome {
  readonly row: RowWork;
  readonly next: number;
  readonly version: number;
  readonly result: RowResult;
}

/** What is recorded of one agent at once. It is made once and tried until it is written; writing it twice changes nothing. */
export interface AgentSnapshot {
  readonly agent: AgentWork;
  readonly from: number;
  /** The cursor moves to here; `from`: what is done with beyond it is written ahead. */
  readonly to: number;
  /** Something that is done with stands beyond the cursor. */
  readonly isAhead: boolean;
  readonly entries: readonly EntryWork[];
  records: readonly AttemptRecord[];
  readonly newRows: readonly NewRow[];
  rowOutcomes: readonly RowOutcome[];
  /** What became of the cursor, once that is known. */
  recorded?: Recorded;
}

/** Entries of one agent that are recorded at once, and rows. */
const PAGE = 1000;
/** What falls behind ahead of the cursor is not looked at before the cursor has come there, so it is due no sooner, in milliseconds. */
const AHEAD_DUE_MS = 1000;

/** Tells whether there is something to record of an agent: whether {@link snapshotOf} would return a snapshot, or has. */
export function hasUnrecorded(agent: AgentWork): boolean {
  const { table, cursor } = agent;
  if (agent.isRecording) return true;
  if (cursor === undefined) return false;
  if (reachOf(agent, cursor) > cursor) return true;
  for (const row of table.rows.values()) if (row.result) return true;
  return aheadOf(agent, cursor, [], 1).length > 0;
}

/**
 * Takes down what can be recorded of an agent, a page of it; undefined where nothing can. The order of lanes holds: the contiguous
 * part; with all that is taken, of the change after it, which is planned in pages, what is answered, with rows for what has failed;
 * else no failure beyond the cursor.
 */
export function snapshotOf(agent: AgentWork, viewOf: ViewOf): AgentSnapshot | undefined {
  const { table, cursor } = agent;
  if (cursor === undefined) return undefined;
  const rowOutcomes = rowOutcomesOf(agent);
  const to = table.pageUpTo(reachOf(agent, cursor), PAGE);
  const settled = to > cursor ? table.entriesUpTo(to) : [];
  const ahead = aheadOf(agent, to, settled, Math.max(PAGE - settled.length, 0));
  if (to === cursor && ahead.length === 0 && rowOutcomes.length === 0) return undefined;
  const entries = [...settled, ...ahead];
  const newRows = newRowsOf(agent, to, entries, viewOf);
  for (const { entry } of newRows) entry.isLeaving = true;
  return {
    agent,
    from: cursor,
    to,
    isAhead: ahead.length > 0 || agent.aheadTo > to,
    entries,
    records: entries.flatMap(({ record }) => (record ? [record] : [])),
    newRows,
    rowOutcomes,
  };
}

/** How far the cursor can go. */
function reachOf({ table, taken, isConflicted }: AgentWork, cursor: number): number {
  return isConflicted ? cursor : Math.max(cursor, table.settledUpTo(taken));
}

/**
 * What can be recorded ahead of the cursor, which comes to `to` with what is settled: of the change that is planned in pages what is
 * done with. Before a shard is given back, or all is planned anew, what was delivered, for whoever plans next.
 */
function aheadOf(agent: AgentWork, to: number, settled: readonly EntryWork[], most: number): EntryWork[] {
  const { table, taken, lease, isConflicted } = agent;
  if (lease.ending || isConflicted) {
    if (table.hasOut) return [];
    return table.entriesUpTo().filter(({ sequence, state }) => sequence > to && state === 'delivered');
  }
  if (to < taken) return [];
  const fallBehind = new Set(settled.filter(fallsBehind).map(({ agentEventId }) => agentEventId));
  return table.finishedBeyond(taken, most, fallBehind);
}

function rowOutcomesOf({ table }: AgentWork): RowOutcome[] {
  const outcomes: RowOutcome[] = [];
  for (const row of table.rows.values()) {
    if (row.result && outcomes.push({ row, next: row.next, version: row.version, result: row.result }) === PAGE) break;
  }
  return outcomes;
}

/** @param cursor where it will be */
function newRowsOf(agent: AgentWork, cursor: number, entries: readonly EntryWork[], viewOf: ViewOf): NewRow[] {
  const behind = entries.filter(fallsBehind);
  if (behind.length === 0) return [];
  const heads = headsByUrl(agent, viewOf);
  const rows: NewRow[] = [];
  const seen = new Set(agent.table.rows.keys());
  for (const entry of behind) {
    const { agentEventId, sequence, state, change } = entry;
    if (seen.has(agentEventId)) continue; // it is behind already, and moves on only after the cursor has
    seen.add(agentEventId);
    const view = viewOf(agentEventId);
    const isParked = state === 'gone' || (view?.suspended ?? false) || entry.parked === true;
    const head = view && heads.get(view.url);
    const blockedBy = !isParked && state === 'behind' && head && head.sequence < sequence ? head : undefined;
    const leastDueMs = sequence > cursor ? AHEAD_DUE_MS : 0;
    const now = performance.now();
    const untilExpiry = Math.max(0, change.expiresAt - now);
    const isOut = state === 'slow';
    // Who takes over finds it due when its request has ended.
    const soonestMs = isOut ? entry.outUntil! - now : (entry.dueMs ?? 0);
    const dueMs = isParked ? untilExpiry : Math.min(Math.max(soonestMs, leastDueMs), untilExpiry);
    rows.push({
      entry,
      attempts: state === 'failed' || state === 'gone' ? 1 : 0,
      dueMs: blockedBy ? undefined : dueMs,
      isOut,
      blockedBy,
    });
    if (view && !isParked && !heads.has(view.url)) heads.set(view.url, { agentEventId, changeId: change.id, sequence });
  }
  return rows;
}

interface LaneHead {
  readonly agentEventId: number;
  readonly changeId: string | undefined;
  readonly sequence: number;
}

/** The first of what is behind at each url, of agent events that hold somebody up. */
function headsByUrl({ table }: AgentWork, viewOf: ViewOf): Map<string, LaneHead> {
  const heads = new Map<string, LaneHead>();
  for (const { agentEventId, next, head } of table.rows.values()) {
    const view = viewOf(agentEventId);
    if (!view || view.suspended) continue;
    const known = heads.get(view.url);
    if (!known || next < known.sequence) heads.set(view.url, { agentEventId, changeId: head?.id, sequence: next });
  }
  return heads;
}
