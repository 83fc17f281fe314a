import type { AgentWork, AttemptRecord, EntryWork, RowResult, RowWork } from '../lanes/agent-work.js';
import { fallsBehind, type ViewOf } from '../lanes/lane-table.js';

/** An agent event that falls behind for an agent. */
export interface NewRow {
  readonly entry: EntryWork;
  readonly attempts: number;
  /** From now, in milliseconds; undefined: it sleeps. */
  readonly dueMs: number | undefined;
  /** What it sleeps for: the delivery at the head of its lane. */
  readonly blockedBy: { readonly agentEventId: number; readonly changeId: string | undefined } | undefined;
}

/** What became of the cursor of an agent's snapshot. */
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

/** What is recorded of one agent at once. It is made once and written until it is written, so that writing it again changes nothing. */
export interface Snapshot {
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

/** Whether there is something to record of an agent: the cursor can move on, a row has a result, or a page is done. */
export function hasUnrecorded(agent: AgentWork): boolean {
  const { table, cursor, taken, tenure } = agent;
  if (agent.isRecording) return true;
  if (cursor === undefined) return false;
  if (table.settledUpTo(taken) > cursor) return true;
  if (cursor === taken && recordsPages(agent) && table.finishedBeyond(taken, 1).length > 0) return true;
  for (const row of table.rows.values()) if (row.result) return true;
  return tenure.ending && table.entriesUpTo().some(({ state }) => state === 'delivered');
}

/**
 * Takes down what can be recorded of an agent, a page of it; undefined where nothing can. The order of lanes holds: the contiguous
 * part; with all that is taken, of the change after it, which is planned in pages, what is answered, with rows for what has failed;
 * else no failure beyond the cursor.
 */
export function snapshotOf(agent: AgentWork, viewOf: ViewOf): Snapshot | undefined {
  const { table, tenure, cursor } = agent;
  if (cursor === undefined) return undefined;
  const rowOutcomes = rowOutcomesOf(agent);
  const to = agent.isConflicted ? cursor : table.pageUpTo(Math.max(cursor, table.settledUpTo(agent.taken)), PAGE);
  const settled = to > cursor ? table.entriesUpTo(to) : [];
  const page = to === agent.taken && recordsPages(agent) ? pageOf(agent, settled) : [];
  // Before a shard is given back, what was delivered beyond the cursor is written ahead of it, for whoever plans next.
  const writesAhead = (tenure.ending || agent.isConflicted) && !table.hasOut;
  const ahead = writesAhead ? table.entriesUpTo().filter(({ sequence, state }) => sequence > to && state === 'delivered') : page;
  if (to === cursor && ahead.length === 0 && rowOutcomes.length === 0) return undefined;
  const entries = [...settled, ...ahead];
  const newRows = newRowsOf(agent, to, [...settled, ...page], viewOf);
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

/** What can be recorded of the change that is planned in pages, beside what comes before it. */
function pageOf({ table, taken }: AgentWork, settled: readonly EntryWork[]): EntryWork[] {
  const fallBehind = new Set(settled.filter(fallsBehind).map(({ agentEventId }) => agentEventId));
  return table.finishedBeyond(taken, Math.max(PAGE - settled.length, 0), fallBehind);
}

/** What lies beyond what is planned of an agent is a part of a change that is planned in pages. */
function recordsPages({ isConflicted, tenure }: AgentWork): boolean {
  return !isConflicted && !tenure.ending;
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
    const untilExpiry = Math.max(0, change.expiresAt - performance.now());
    const dueMs = isParked ? untilExpiry : Math.min(Math.max(entry.dueMs ?? 0, leastDueMs), untilExpiry);
    rows.push({
      entry,
      attempts: state === 'failed' || state === 'gone' ? 1 : 0,
      dueMs: blockedBy ? undefined : dueMs,
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
