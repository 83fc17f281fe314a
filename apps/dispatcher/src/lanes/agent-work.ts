import { keyHash } from '#bus';
import { partitionKey, type AgentKey, type StatusChange } from '#contracts';
import { afterFanOut } from '#tracing';
import { encodePairs } from '#webhook';
import { LaneTable, type LaneEntry, type LaneRow } from './lane-table.js';
import type { ShardLease } from './shard-leases.js';

/** What all deliveries of a change share; made once, since there may be thousands of them. */
export interface Change {
  readonly id: string;
  readonly sequence: number;
  readonly pairs: string;
  /** In milliseconds since the epoch. */
  readonly occurredAt: number;
  /** End of its window by the database's clock, in milliseconds of `performance.now()`. */
  readonly expiresAt: number;
  /** W3C trace context from which its attempts continue; undefined: its own. */
  readonly traceparent?: string | undefined;
}

/** Makes a {@link Change}. @param clockOffset converts a moment of the database's clock, in milliseconds since the epoch, to `performance.now()` */
export function changeOf(change: StatusChange, windowMs: number, clockOffset: number): Change {
  return {
    id: change.id,
    sequence: change.sequence,
    pairs: encodePairs(change),
    occurredAt: change.occurredAt,
    expiresAt: change.changedAt + windowMs + clockOffset,
    traceparent: afterFanOut(change),
  };
}

/** A row of `dispatch.attempt`: an attempt, or a delivery that ended without one. */
export interface AttemptRecord {
  readonly agentEventId: number;
  readonly changeId: string;
  /** From 1, going on over redeliveries. */
  readonly attempt: number;
  readonly attemptedAt: Date;
  readonly latencyMs: number;
  readonly outcome: 'delivered' | 'retry' | 'failed' | 'dropped';
  readonly httpStatus: number | null;
  readonly error: string | null;
  readonly response: string | null;
}

/** A first attempt. */
export interface EntryWork extends LaneEntry {
  readonly change: Change;
  record?: AttemptRecord;
  /** When it is tried again, from now in milliseconds; undefined: at once. */
  dueMs?: number;
  /** Once its request is out for long: until when it may be at most, in milliseconds of `performance.now()`. */
  outUntil?: number;
  /** Its agent event is suspended: it is looked at again when its window ends. */
  parked?: boolean;
  /** Its row, once it is recorded as behind while its request is out: the outcome is the row's. */
  row?: RowWork;
  /** It is being recorded as behind: what comes in meanwhile is kept for its row, which nobody else has in hand before that is done. */
  isLeaving?: boolean;
  late?: () => void;
}

/** Result of a row's head. */
export type RowResult =
  /** Its head is over: what comes next, if anything does. */
  | { readonly kind: 'next'; readonly record: AttemptRecord | undefined; readonly isDelivered: boolean }
  /** Its head is tried again. */
  | { readonly kind: 'retry'; readonly record: AttemptRecord; readonly dueMs: number; readonly isGone: boolean }
  /** It waits, without an attempt: until a moment from now in milliseconds, or for a delivery of another agent event. */
  | { readonly kind: 'wait'; readonly dueMs: number | undefined; readonly blockedBy: RowWork | undefined }
  /** Its agent event is deleted. */
  | { readonly kind: 'drop' };

/** An agent event that is behind. */
export interface RowWork extends LaneRow {
  readonly clientId: number;
  /** Of its head, made in this run of the schedule. */
  attempts: number;
  version: number;
  /** The head; undefined while it is not in hand. */
  head?: Change;
  result?: RowResult;
}

/** Everything in memory that is in progress for one agent. */
export class AgentWork {
  readonly table = new LaneTable<EntryWork, RowWork>();
  /** Sequence up to which everything is recorded; undefined: not read yet. */
  cursor: number | undefined;
  /** Sequence up to which everything is planned. */
  taken = 0;
  /** Highest sequence that may be finished and recorded beyond the cursor. */
  aheadTo = 0;
  /** Number of reads under way about this agent. It is not forgotten meanwhile, or they would bring back an old state. */
  pins = 0;
  /** Whether it is being recorded; what happens meanwhile is recorded next time. */
  isRecording = false;
  isPumping = false;
  /** Whether its agent events are being read again. */
  isRefreshing = false;
  /** Whether somebody else moved its cursor: nothing starts until what is out has ended, and then all is planned anew. */
  isConflicted = false;
  /** Why it has ended: its shard has gone, or it is planned anew. */
  private over: Error | undefined;
  private waiters: { readonly sequence: number; readonly resolve: () => void; readonly reject: (reason: Error) => void }[] = [];

  constructor(
    readonly clientId: number,
    readonly agentId: number,
    readonly hash: number,
    readonly lease: ShardLease,
  ) {}

  get key(): string {
    return `${this.clientId}:${this.agentId}`;
  }

  /** Tells whether it may be forgotten. */
  get isIdle(): boolean {
    return this.pins === 0 && !this.isRecording && this.waiters.length === 0 && this.table.isIdle;
  }

  /** Resolves when everything up to a sequence is recorded. */
  recorded(sequence: number): Promise<void> {
    if (this.cursor !== undefined && this.cursor >= sequence) return Promise.resolve();
    if (this.over) return Promise.reject(this.over);
    return new Promise((resolve, reject) => this.waiters.push({ sequence, resolve, reject }));
  }

  moveCursor(cursor: number): void {
    this.cursor = cursor;
    this.taken = Math.max(this.taken, cursor);
    this.table.forgetUpTo(cursor);
    this.waiters = this.waiters.filter(({ sequence, resolve }) => {
      if (sequence <= cursor) resolve();
      return sequence > cursor;
    });
  }

  get isOver(): boolean {
    return this.over !== undefined;
  }

  giveUp(reason: Error): void {
    this.over ??= reason;
    for (const { reject } of this.waiters.splice(0)) reject(reason);
  }
}

/** Returns an agent's hash: modulo the number of partitions it gives the partition, modulo the number of shards the shard. */
export function hashOf(agent: AgentKey): number {
  return keyHash(partitionKey(agent));
}
