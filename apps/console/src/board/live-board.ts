import { delayAfter, mayPass, pause } from '../api/backoff';
import { ofClient, send, type ApiFailure } from '../api/http';
import { followStream, type StreamEvent } from '../api/event-stream';
import type { Agent, ChangeSeries, DirectoryChange, StatusChange } from '../api/types';
import { createStore } from '../store';
import { applyChange, rowOfAgent, type AgentRow } from './agent-row';
import { RECENT_MS, RecentChanges } from './recent-changes';

const PAGE = 1000;
/** Changes that come while nobody sees the page are applied this often, in milliseconds. */
const HIDDEN_FLUSH_MS = 500;
const JUST_CHANGED = 20;
/** A cursor that the server has gone on from for so long was a good one, in milliseconds. */
const HELD_MS = 30_000;

export type Line =
  | { readonly kind: 'connecting' }
  | { readonly kind: 'live' }
  | { readonly kind: 'down'; /** Milliseconds since the epoch. */ readonly since: number }
  | { readonly kind: 'failed'; readonly failure: ApiFailure; readonly at: number };

export interface BoardState {
  /** Raised with every batch of changes. */
  readonly version: number;
  /** The snapshot is there. */
  readonly loaded: boolean;
  readonly available: number;
  readonly total: number;
  /** Changes that came since the page was opened. */
  readonly changes: number;
  /** When the log was another one and everything was read anew; milliseconds since the epoch. */
  readonly resetAt: number | undefined;
}

/**
 * The agents of a client as they are now: the snapshot, and then every change from the stream. Outside of React, since changes may
 * come in hundreds a second: they are applied once per frame.
 */
export class LiveBoard {
  readonly state = createStore<BoardState>({ version: 0, loaded: false, available: 0, total: 0, changes: 0, resetAt: undefined });
  readonly line = createStore<Line>({ kind: 'connecting' });
  readonly rows = new Map<number, AgentRow>();
  /** Logins and logouts of the last five minutes. */
  readonly recent = new RecentChanges();
  /** The last ones, newest first. */
  justChanged: readonly StatusChange[] = [];

  private readonly end = new AbortController();
  private again = new AbortController();
  private pending: StreamEvent[] = [];
  private scheduled = false;

  start(): void {
    void this.run();
  }

  stop(): void {
    this.end.abort();
  }

  private async run(): Promise<void> {
    const { signal } = this.end;
    let failures = 0;
    let refusals = 0;
    while (!signal.aborted) {
      try {
        const cursor = await this.readSnapshot(signal);
        failures = 0;
        const began = Date.now();
        await this.follow(cursor, signal);
        if (signal.aborted) return;
        this.state.set({ ...this.state.get(), resetAt: Date.now() });
        // A cursor may be too old; where new ones are refused as well, reading everything anew does not help by itself.
        refusals = Date.now() - began < HELD_MS ? refusals + 1 : 0;
        if (refusals > 1) {
          this.line.set({ kind: 'connecting' });
          await this.wait(delayAfter(undefined, refusals - 1), signal);
        }
      } catch (error) {
        if (signal.aborted) return;
        failures += 1;
        this.line.set({ kind: 'failed', failure: error as ApiFailure, at: Date.now() });
        await this.wait(mayPass(error) ? delayAfter(error, failures) : undefined, signal);
        if (!signal.aborted) this.line.set({ kind: 'connecting' });
      }
    }
  }

  /** Waits until it is worth another try. @param ms undefined: until that is asked for */
  private wait(ms: number | undefined, signal: AbortSignal): Promise<void> {
    this.again = new AbortController();
    return pause(ms, AbortSignal.any([signal, this.again.signal]));
  }

  /** Tries again at once after a failure. */
  retry(): void {
    this.again.abort();
  }

  private async readSnapshot(signal: AbortSignal): Promise<string | undefined> {
    const path = ofClient('/agent_status/');
    const seen = new Set<number>();
    let cursor: string | undefined;
    for (let page = 1; ; page += 1) {
      const response = await send('GET', path, { query: { per_page: PAGE, page }, signal });
      cursor ??= response.headers.get('x-event-cursor') ?? undefined;
      const agents = (await response.json()) as Agent[];
      for (const agent of agents) {
        seen.add(agent.id);
        this.rows.set(agent.id, rowOfAgent(agent, this.rows.get(agent.id)));
      }
      if (agents.length < PAGE) break;
      this.publish(0);
    }
    for (const id of [...this.rows.keys()]) if (!seen.has(id)) this.rows.delete(id);
    this.publish(0, true);
    void this.readRecent(signal);
    return cursor;
  }

  /** What the tiles count of the time before the page was opened; without it they count from now. */
  private async readRecent(signal: AbortSignal): Promise<void> {
    try {
      const until = Date.now();
      const query = { since: new Date(until - RECENT_MS).toISOString(), until: new Date(until).toISOString(), step: 60 };
      const series = (await (await send('GET', ofClient('/series/changes'), { query, signal })).json()) as ChangeSeries;
      const from = Date.parse(series.from);
      const before = series.logins.map((logins, index) => ({
        at: Math.min(until, from + (index + 1) * series.step * 1000),
        logins,
        logouts: series.logouts[index] ?? 0,
      }));
      this.recent.replaceUntil(until, before);
      this.publish(0);
    } catch {
      // the tiles say less for five minutes; everything else is there
    }
  }

  /** Follows the changes until everything has to be read anew. @throws ApiFailure where the server will not have it */
  private async follow(cursor: string | undefined, signal: AbortSignal): Promise<void> {
    const stream = new AbortController();
    let refusal: ApiFailure | undefined;
    await followStream(
      {
        path: ofClient('/agent_status/stream'),
        cursor,
        onLine: () => {
          if (this.line.get().kind !== 'live') this.line.set({ kind: 'live' });
        },
        onDown: () => {
          if (this.line.get().kind !== 'down') this.line.set({ kind: 'down', since: Date.now() });
        },
        onRefused: (failure) => {
          if (failure.status !== 410) refusal = failure;
        },
        onEvent: (event) => {
          if (event.event === 'reset') {
            stream.abort();
          } else {
            this.pending.push(event);
            this.schedule();
          }
        },
      },
      AbortSignal.any([signal, stream.signal]),
    );
    if (refusal) throw refusal;
  }

  private schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    if (document.hidden) window.setTimeout(() => this.flush(), HIDDEN_FLUSH_MS);
    else window.requestAnimationFrame(() => this.flush());
  }

  private flush(): void {
    this.scheduled = false;
    const events = this.pending;
    this.pending = [];
    const changed: StatusChange[] = [];
    for (const { event, data } of events) {
      if (event === 'agent-status') this.change(data as StatusChange, changed);
      else if (event === 'agent') this.directory(data as DirectoryChange);
    }
    if (changed.length > 0) this.justChanged = [...changed.reverse(), ...this.justChanged].slice(0, JUST_CHANGED);
    this.publish(changed.length);
  }

  private change(change: StatusChange, changed: StatusChange[]): void {
    const known = this.rows.get(change.agent_id);
    const next = applyChange(known, change);
    if (next === known || !next) return;
    this.rows.set(next.id, next);
    this.recent.add(Date.parse(change.changed_at), change.agent_status === 'available' ? 'login' : 'logout');
    changed.push(change);
  }

  private directory({ change, ...agent }: DirectoryChange): void {
    const known = this.rows.get(agent.id);
    if (change === 'removed') {
      this.rows.delete(agent.id);
    } else if (!known || agent.sequence >= known.sequence) {
      this.rows.set(agent.id, rowOfAgent(agent, known));
    } else {
      const { name, text } = rowOfAgent(agent);
      this.rows.set(agent.id, { ...known, name, text }); // a rename of before a change that is here already
    }
  }

  private publish(changes: number, loaded = this.state.get().loaded): void {
    let available = 0;
    for (const { status } of this.rows.values()) if (status === 'available') available += 1;
    const before = this.state.get();
    this.state.set({
      ...before,
      version: before.version + 1,
      loaded,
      available,
      total: this.rows.size,
      changes: before.changes + changes,
    });
  }
}
