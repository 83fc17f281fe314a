/**
 * What waits for what: the rules of the order, for one agent, in memory. Pure: time, the network and the database are elsewhere, and
 * what is known of an agent event is a parameter. Held against the model of the protocol by property tests: ADR 25.
 *
 * Two kinds of work share a table. An **entry** is a delivery of a change beyond the agent's recorded cursor: a first attempt. A
 * **row** is an agent event that is behind: everything of it from `next` up to the cursor is unfinished. `next` lies beyond the cursor
 * where its change is planned in pages, and waits for the cursor then.
 */

/** What an agent event says now; undefined where it was deleted. */
export interface View {
  readonly url: string;
  readonly suspended: boolean;
}
export type ViewOf = (agentEventId: number) => View | undefined;

export type EntryState =
  /** Waits for its turn. */
  | 'waiting'
  /** Its request is out. */
  | 'out'
  /** Its request is out for so long that it falls behind: whoever has it out also has its row. */
  | 'slow'
  | 'delivered'
  /** It failed and falls behind: tried again as a row. */
  | 'failed'
  /** It was not sent, and falls behind. */
  | 'behind'
  /** It has failed for good; what comes after it goes on once that is recorded. */
  | 'ended'
  /** It answered 410; its agent event is passed over once that is recorded. */
  | 'gone'
  /** It was not sent, and is not any more: its shard is given back. Whoever plans next finds it again. */
  | 'dropped'
  /** Nothing is to be done any more: its agent event was deleted, or its window had ended before it was looked at. */
  | 'over';

export interface LaneEntry {
  readonly sequence: number;
  readonly agentEventId: number;
  state: EntryState;
  /** Where its request is, or was, sent to. */
  sentTo?: string;
}

export interface LaneRow {
  readonly agentEventId: number;
  /** The first sequence that is not finished. */
  next: number;
  /** It is due, and read: its head may be started. */
  inHand: boolean;
  /** Where its head's request is, or was, sent to, until the outcome is recorded. */
  sentTo?: string;
  /** What became of its head, until it is recorded. */
  result?: unknown;
}

export interface Decisions<E extends LaneEntry, R extends LaneRow> {
  /** Entries whose requests go out now; they are marked as out, to the url of the view. */
  readonly entries: E[];
  /** Rows whose heads go out now; they are marked likewise. */
  readonly rows: R[];
  /** Rows in hand that wait for an earlier one of the same url, which is not in hand. */
  readonly asleep: { readonly row: R; readonly blockedBy: R }[];
  /** Rows in hand of agent events that are deleted or suspended. */
  readonly idle: R[];
}

/** How what is ahead in a lane keeps a delivery: it waits in memory, or falls behind itself. */
const enum Ahead {
  nothing,
  wait,
  behind,
}

class Lanes {
  private readonly byEvent = new Map<number, Ahead>();
  private readonly byUrl = new Map<string, Ahead>();

  of(agentEventId: number, url: string): Ahead {
    return Math.max(this.byEvent.get(agentEventId) ?? Ahead.nothing, this.byUrl.get(url) ?? Ahead.nothing);
  }

  noteEvent(agentEventId: number, ahead: Ahead): void {
    if ((this.byEvent.get(agentEventId) ?? Ahead.nothing) < ahead) this.byEvent.set(agentEventId, ahead);
  }

  noteUrl(url: string | undefined, ahead: Ahead): void {
    if (url !== undefined && (this.byUrl.get(url) ?? Ahead.nothing) < ahead) this.byUrl.set(url, ahead);
  }
}

/** The lanes of one agent. `E` and `R` carry what their callers need. */
export class LaneTable<E extends LaneEntry, R extends LaneRow> {
  /** Beyond the recorded cursor, by sequence. */
  private entries: E[] = [];
  readonly rows = new Map<number, R>();

  get isIdle(): boolean {
    if (this.entries.length > 0) return false;
    for (const row of this.rows.values()) if (row.inHand || row.sentTo !== undefined) return false;
    return true;
  }

  /** Returns the entries up to a sequence; all without one. */
  entriesUpTo(sequence = Infinity): readonly E[] {
    const end = this.entries.findIndex((entry) => entry.sequence > sequence);
    return end < 0 ? this.entries : this.entries.slice(0, end);
  }

  /** Adds what was planned; it comes after everything that is there. */
  add(entries: readonly E[]): void {
    this.entries.push(...entries);
  }

  /** Forgets entries up to a sequence: they are recorded. */
  forgetUpTo(sequence: number): void {
    this.entries = this.entries.filter((entry) => entry.sequence > sequence);
  }

  /** Forgets single entries that were recorded ahead of the cursor. */
  forget(recorded: ReadonlySet<E>): void {
    this.entries = this.entries.filter((entry) => !recorded.has(entry));
  }

  /** Returns how many are not answered yet, or could be recorded without waiting for the cursor. */
  get pendingCount(): number {
    let count = 0;
    for (const entry of this.entries) if (!this.reliesOnRow(entry)) count += 1;
    return count;
  }

  /**
   * Returns the entries beyond a sequence that are done with here: answered, or falling behind with a row of their own; in their order, at
   * most so many. One whose agent event has a row already relies on that, which may be done and gone before the cursor has come here: it
   * stays.
   *
   * @param behind agent events that have a row as well
   */
  finishedBeyond(sequence: number, most: number, behind: ReadonlySet<number> = new Set()): E[] {
    const finished: E[] = [];
    for (let at = this.entries.length - 1; at >= 0 && this.entries[at]!.sequence > sequence && finished.length < most; at--) {
      const entry = this.entries[at]!;
      if (!isOpen(entry) && !this.reliesOnRow(entry) && !(fallsBehind(entry) && behind.has(entry.agentEventId))) {
        finished.push(entry);
      }
    }
    return finished.reverse();
  }

  private reliesOnRow(entry: E): boolean {
    return fallsBehind(entry) && this.rows.has(entry.agentEventId);
  }

  /** Returns the last sequence up to which there are no more entries than this; with those of the first change in any case. */
  pageUpTo(sequence: number, most: number): number {
    const beyond = this.entries[most];
    if (!beyond || beyond.sequence > sequence) return sequence;
    return Math.max(beyond.sequence - 1, this.entries[0]!.sequence);
  }

  /** Takes back what waits, when nothing more may start. */
  dropWaiting(): void {
    for (const entry of this.entries) if (entry.state === 'waiting') entry.state = 'dropped';
  }

  /** Returns the last sequence, up to one, before which nothing is open: how far the cursor may go. */
  settledUpTo(taken: number): number {
    const open = this.entries.find(isOpen);
    return open ? Math.min(taken, open.sequence - 1) : taken;
  }

  /** Tells whether requests are out. */
  get hasOut(): boolean {
    return (
      this.entries.some(({ state }) => state === 'out' || state === 'slow') ||
      [...this.rows.values()].some(({ sentTo }) => sentTo !== undefined)
    );
  }

  /** Returns the agent events whose views decide what may start; none when nothing waits. */
  undecided(): number[] {
    const newest = this.entries.findLast(({ state }) => state === 'waiting')?.sequence ?? 0;
    const rows = [...this.rows.values()];
    const isRowToDecide = rows.some(canBeDecided);
    if (newest === 0 && !isRowToDecide) return [];
    // Rows of a change that is recorded in pages are in nobody's way who is not later.
    const concerned = isRowToDecide ? rows : rows.filter(({ next }) => next < newest);
    return [...new Set([...concerned, ...this.entries].map(({ agentEventId }) => agentEventId))];
  }

  /** Decides what may start, what falls behind and what is over, in the order of the lanes. */
  decide(viewOf: ViewOf): Decisions<E, R> {
    const lanes = new Lanes();
    for (const row of this.rows.values()) noteRow(lanes, row, viewOf(row.agentEventId));
    const byNext = [...this.rows.values()].sort((one, other) => one.next - other.next);
    let noted = 0;
    const started: E[] = [];
    for (let from = 0; from < this.entries.length;) {
      const { sequence } = this.entries[from]!;
      for (; noted < byNext.length && byNext[noted]!.next < sequence; noted++) {
        noteRowUrl(lanes, byNext[noted]!, viewOf(byNext[noted]!.agentEventId));
      }
      let end = from;
      // Those of one change are not in each other's way.
      for (; end < this.entries.length && this.entries[end]!.sequence === sequence; end++) {
        const entry = this.entries[end]!;
        if (entry.state === 'waiting' && decideEntry(lanes, entry, viewOf(entry.agentEventId))) started.push(entry);
      }
      for (; from < end; from++) noteEntry(lanes, this.entries[from]!, viewOf(this.entries[from]!.agentEventId));
    }
    return { entries: started, ...this.decideRows(viewOf) };
  }

  /** A row's lane is its url's: all that is behind there goes in the order of its heads, and after what is out there. */
  private decideRows(viewOf: ViewOf): Pick<Decisions<E, R>, 'rows' | 'asleep' | 'idle'> {
    const decisions = { rows: [] as R[], asleep: [] as { row: R; blockedBy: R }[], idle: [] as R[] };
    if (![...this.rows.values()].some(canBeDecided)) return decisions;
    const groups = new Map<string, R[]>();
    for (const row of this.rows.values()) {
      const view = viewOf(row.agentEventId);
      if (!view || view.suspended) {
        if (canBeDecided(row)) decisions.idle.push(row);
        continue;
      }
      const group = groups.get(view.url);
      if (group) group.push(row);
      else groups.set(view.url, [row]);
    }
    const held = this.heldUrls(viewOf);
    for (const [url, group] of groups) this.decideGroup(url, group, held, decisions);
    return decisions;
  }

  private decideGroup(
    url: string,
    group: readonly R[],
    held: { readonly urls: ReadonlyMap<string, number>; readonly events: ReadonlySet<number> },
    decisions: { rows: R[]; asleep: { row: R; blockedBy: R }[] },
  ): void {
    let head = group[0]!;
    for (const row of group) if (row.next < head.next) head = row;
    const outAt = held.urls.get(url);
    const outInGroup = group.find(({ sentTo, agentEventId }) => sentTo !== undefined || held.events.has(agentEventId));
    for (const row of group) {
      if (!canBeDecided(row)) continue;
      if (row.next > head.next) {
        if (!head.inHand) decisions.asleep.push({ row, blockedBy: head });
        continue;
      }
      if (outAt !== undefined && outAt !== row.next) continue;
      if (outInGroup && (held.events.has(outInGroup.agentEventId) || outInGroup.next !== row.next)) continue;
      if (held.events.has(row.agentEventId)) continue;
      row.sentTo = url;
      decisions.rows.push(row);
    }
  }

  /** Urls that requests are out at, with the sequence of one, and agent events of entries that are out or not recorded as gone. */
  private heldUrls(viewOf: ViewOf): { urls: Map<string, number>; events: Set<number> } {
    const urls = new Map<string, number>();
    const events = new Set<number>();
    for (const { next, sentTo } of this.rows.values()) if (sentTo !== undefined) urls.set(sentTo, next);
    for (const { state, sentTo, agentEventId, sequence } of this.entries) {
      if (state !== 'out' && state !== 'slow' && state !== 'gone' && state !== 'ended') continue;
      if (sentTo !== undefined) urls.set(sentTo, sequence);
      const view = viewOf(agentEventId);
      if (view && state !== 'gone') urls.set(view.url, sequence);
      events.add(agentEventId);
    }
    return { urls, events };
  }
}

function isOpen({ state }: LaneEntry): boolean {
  return state === 'waiting' || state === 'out' || state === 'dropped';
}

/** Tells whether an entry becomes a row, where its agent event has none. */
export function fallsBehind({ state }: LaneEntry): boolean {
  return state === 'failed' || state === 'behind' || state === 'slow' || state === 'gone';
}

function canBeDecided({ inHand, sentTo, result }: LaneRow): boolean {
  return inHand && sentTo === undefined && result === undefined;
}

function noteRow(lanes: Lanes, { agentEventId, sentTo }: LaneRow, view: View | undefined): void {
  if (sentTo !== undefined) lanes.noteEvent(agentEventId, Ahead.wait);
  if (view) lanes.noteEvent(agentEventId, Ahead.behind);
}

/** At its url only what is later than its head waits: rows of a change that is recorded in pages are beside its other entries. */
function noteRowUrl(lanes: Lanes, { sentTo }: LaneRow, view: View | undefined): void {
  lanes.noteUrl(sentTo, Ahead.wait);
  if (view && !view.suspended) lanes.noteUrl(view.url, Ahead.behind);
}

/** @returns whether it goes out */
function decideEntry(lanes: Lanes, entry: LaneEntry, view: View | undefined): boolean {
  if (!view) {
    entry.state = 'over';
    return false;
  }
  const ahead = lanes.of(entry.agentEventId, view.url);
  if (ahead === Ahead.behind || view.suspended) entry.state = 'behind';
  else if (ahead === Ahead.nothing) {
    entry.state = 'out';
    entry.sentTo = view.url;
    return true;
  }
  return false;
}

function noteEntry(lanes: Lanes, { state, agentEventId, sentTo }: LaneEntry, view: View | undefined): void {
  switch (state) {
    case 'delivered':
    case 'over':
      return;
    case 'waiting':
    case 'dropped':
      lanes.noteEvent(agentEventId, Ahead.wait);
      if (view && !view.suspended) lanes.noteUrl(view.url, Ahead.wait);
      return;
    case 'out':
      lanes.noteEvent(agentEventId, Ahead.wait);
      lanes.noteUrl(sentTo, Ahead.wait);
      lanes.noteUrl(view?.url, Ahead.wait);
      return;
    case 'slow': {
      // One that is deleted or suspended meanwhile holds its lane until the answer, but nothing falls behind it.
      const ahead = view && !view.suspended ? Ahead.behind : Ahead.wait;
      lanes.noteEvent(agentEventId, Ahead.behind);
      lanes.noteUrl(sentTo, ahead);
      lanes.noteUrl(view?.url, ahead);
      return;
    }
    case 'gone':
      if (!view) return;
      lanes.noteEvent(agentEventId, Ahead.behind);
      lanes.noteUrl(view.url, Ahead.wait);
      return;
    case 'ended':
      lanes.noteEvent(agentEventId, Ahead.wait);
      lanes.noteUrl(view?.url, Ahead.wait);
      return;
    case 'failed':
    case 'behind':
      if (!view) return;
      lanes.noteEvent(agentEventId, Ahead.behind);
      if (!view.suspended) lanes.noteUrl(view.url, Ahead.behind);
  }
}
