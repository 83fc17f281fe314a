import type { AgentKey } from '#contracts';
import type { Logger } from '#runtime';
import type { Attempts } from '../attempt/attempts.js';
import type { BatchedCache } from '../attempt/batched-cache.js';
import type { DueDelivery, Endpoint, SendOutcome } from '../attempt/delivery.js';
import { decideRetry, type Verdict } from '../attempt/retry-policy.js';
import type { BehindRow, DueRow } from '../backlog/behind.repository.js';
import type { DispatcherMetrics } from '../metrics.js';
import { hasUnrecorded } from '../record/snapshot.js';
import { AgentWork, hashOf, type Change, type EntryWork, type RowResult, type RowWork } from './agent-work.js';
import { attemptRecord, deliveryOf, unsentRecord } from './attempt-records.js';
import { ClientCount } from './client-count.js';
import type { ShardLeases, ShardLease } from './shard-leases.js';

/** Until what could not be started, for no reason of its own, is looked at again, in milliseconds. */
const AGAIN_MS = 200;

export interface DeliveriesOptions {
  readonly attempts: Attempts;
  readonly endpoints: BatchedCache<Endpoint | undefined>;
  /** Delays of the retry schedule, and how long after its change's commit a delivery may be tried, in milliseconds. */
  readonly schedule: readonly number[];
  readonly windowMs: number;
  /** Longest that an attempt may take, in milliseconds. */
  readonly timeoutMs: number;
  readonly leases: () => ShardLeases;
  /** Something of this agent can be recorded. */
  readonly onDirty: (agent: AgentWork) => void;
  /** A row was not let through: its agent event is left alone for a while, in milliseconds. */
  readonly onRefused: (clientId: number, agentEventId: number, url: string, delayMs: number) => void;
  /** A delivery was answered 2xx, or has failed. */
  readonly onAnswered: (clientId: number, agentEventId: number, url: string, isDelivered: boolean) => void;
  readonly metrics: DispatcherMetrics;
  readonly logger: Logger;
}

/**
 * Everything that is at work, by shard and agent: takes what intake has planned and what the backlog has in hand, has it attempted in
 * the order of the lanes, and hands what became of it to the recorder. One table of lanes an agent, for both.
 */
export class Deliveries {
  private readonly byLease = new Map<ShardLease, Map<string, AgentWork>>();
  private readonly settled = new Map<ShardLease, () => void>();
  /** First attempts; rows in hand, of all and by client. */
  private heldEntries = 0;
  rowsInHand = 0;
  private readonly rowsOf = new ClientCount();

  constructor(private readonly options: DeliveriesOptions) {}

  get inMemory(): number {
    return this.heldEntries;
  }

  /** Returns the work of an agent, pinned until {@link unpin}; undefined where its shard is not this instance's. */
  pin({ clientId, agentId }: AgentKey, hash = hashOf({ clientId, agentId })): AgentWork | undefined {
    const lease = this.options.leases().leaseOf(hash);
    if (!lease) return undefined;
    let agents = this.byLease.get(lease);
    if (!agents) this.byLease.set(lease, (agents = new Map<string, AgentWork>()));
    const key = `${clientId}:${agentId}`;
    let agent = agents.get(key);
    if (!agent) agents.set(key, (agent = new AgentWork(clientId, agentId, hash, lease)));
    agent.pins += 1;
    return agent;
  }

  unpin(agent: AgentWork): void {
    agent.pins -= 1;
    this.forgetIdle(agent);
  }

  /** Has rows that were read, of one agent, in hand where they are due. What its work has come to meanwhile is newer. */
  takeRows(agent: AgentWork, rows: readonly BehindRow[], readAt: number): void {
    if (agent.cursor === undefined) {
      agent.cursor = agent.taken = rows[0]!.cursor;
      agent.aheadTo = rows[0]!.isAhead ? Infinity : 0;
    }
    const leaving = new Set(agent.table.entriesUpTo().flatMap((entry) => (entry.isLeaving ? [entry.agentEventId] : [])));
    for (const { agentEventId, next, version, attempts, isDue, endpoint, head } of rows) {
      this.options.endpoints.offer(agentEventId, endpoint, readAt);
      let row = agent.table.rows.get(agentEventId);
      // A row can be read before the answer to the statement that made it: whoever waits for that has the row then.
      if (row?.inHand || leaving.has(agentEventId)) continue;
      if (!row) {
        row = { clientId: agent.clientId, agentEventId, next, version, attempts, inHand: false };
        agent.table.rows.set(agentEventId, row);
      }
      Object.assign(row, { next, version, attempts });
      if (!isDue) continue;
      if (head) this.hold(row, head);
      else this.conclude(row, endpoint ? { kind: 'next', record: undefined, isDelivered: false } : { kind: 'drop' });
    }
    this.run(agent);
  }

  /** Adds planned first attempts, of changes up to a sequence. */
  take(agent: AgentWork, entries: readonly EntryWork[], upTo: number): void {
    if (agent.isOver) return;
    agent.taken = upTo;
    this.heldEntries += entries.length;
    for (const entry of entries) if (performance.now() >= entry.change.expiresAt) this.expire(entry);
    agent.table.add(entries);
    this.run(agent);
  }

  /** Looks at what may start, soon. */
  pump(agent: AgentWork): void {
    if (agent.isPumping) return;
    agent.isPumping = true;
    setImmediate(() => {
      agent.isPumping = false;
      this.run(agent);
    });
  }

  /** Starts nothing more of a shard. @returns when nothing of it is out and all is recorded; for one that was lost, when nothing is out */
  async end(lease: ShardLease, isLost: boolean): Promise<void> {
    const agents = this.byLease.get(lease);
    if (!agents) return;
    for (const agent of agents.values()) {
      agent.table.dropWaiting();
      for (const row of agent.table.rows.values()) if (row.inHand && row.sentTo === undefined && !row.result) this.release(row);
      if (!isLost) this.options.onDirty(agent);
    }
    await new Promise<void>((resolve) => {
      this.settled.set(lease, resolve);
      for (const agent of [...agents.values()]) this.afterChange(agent, isLost);
      if (agents.size === 0) resolve();
    });
    this.settled.delete(lease);
    this.byLease.delete(lease);
  }

  /** Has what has changed for an agent recorded, or forgets the agent. */
  afterChange(agent: AgentWork, isLost = !this.options.leases().isCurrent(agent.lease)): void {
    const { table, lease } = agent;
    const isOver = lease.ending && !table.hasOut;
    if (isOver && (isLost || !hasUnrecorded(agent))) {
      agent.giveUp(new Error(`shard ${lease.shard} is not this instance's any more`));
      this.forget(agent);
      return;
    }
    if (agent.isConflicted && !table.hasOut && !agent.isRecording) return this.replan(agent);
    if (hasUnrecorded(agent)) this.options.onDirty(agent);
    else this.forgetIdle(agent);
  }

  /** After a conflict: what lies beyond the cursor is forgotten, and read again when it is asked for. */
  private replan(agent: AgentWork): void {
    agent.giveUp(new Error(`the cursor of agent ${agent.key} was moved by somebody else`));
    this.forget(agent);
  }

  private forgetIdle(agent: AgentWork): void {
    if (agent.isIdle) this.forget(agent);
  }

  forget(agent: AgentWork): void {
    const agents = this.byLease.get(agent.lease);
    if (agents?.get(agent.key) !== agent) return;
    agents.delete(agent.key);
    this.heldEntries -= agent.table.entriesUpTo().length;
    for (const row of agent.table.rows.values()) this.release(row);
    if (agents.size === 0) this.settled.get(agent.lease)?.();
  }

  /** Counts entries that the recorder has taken off. */
  recorded(entries: number): void {
    this.heldEntries -= entries;
  }

  /** Tells whether an agent's shard is still this instance's, as it was when its work began. */
  isCurrent({ lease }: AgentWork): boolean {
    return this.options.leases().isCurrent(lease);
  }

  /** Has a row in hand, with its head: it may be started when its turn comes. */
  hold(row: RowWork, head: Change): void {
    if (!row.inHand) this.count(row, 1);
    row.inHand = true;
    row.head = head;
  }

  /** Notes that a delivery is recorded as behind while its request is out: its outcome is the row's. */
  holdSpilt(row: RowWork, entry: EntryWork): void {
    this.hold(row, entry.change);
    row.sentTo = entry.sentTo;
    entry.row = row;
  }

  /** Notes that a row is not in hand any more. */
  release(row: RowWork): void {
    if (row.inHand) this.count(row, -1);
    row.inHand = false;
    row.sentTo = undefined;
    row.head = undefined;
  }

  /** Tells whether a row's head is out, or what became of it is being recorded. */
  isUnderWay({ clientId, agentId, agentEventId, hash }: DueRow): boolean {
    const lease = this.options.leases().leaseOf(hash);
    const row = lease && this.byLease.get(lease)?.get(`${clientId}:${agentId}`)?.table.rows.get(agentEventId);
    return row?.sentTo !== undefined || row?.result !== undefined;
  }

  /** Returns the clients that have so many rows in hand, or more. */
  clientsWithRows(count: number): number[] {
    return this.rowsOf.withAtLeast(count);
  }

  private count({ clientId }: RowWork, by: 1 | -1): void {
    this.rowsInHand += by;
    this.rowsOf.add(clientId, by);
  }

  private run(agent: AgentWork): void {
    if (agent.lease.ending || agent.isConflicted) return this.afterChange(agent);
    const { endpoints } = this.options;
    const undecided = agent.table.undecided();
    if (undecided.length > 0) {
      const stale = undecided.filter((id) => !endpoints.peek(id));
      if (stale.length > 0) return this.refresh(agent, stale);
      const { entries, rows, asleep, idle } = agent.table.decide((id) => endpoints.latest(id)?.value);
      for (const entry of entries) void this.sendEntry(agent, entry);
      for (const row of rows) void this.sendRow(agent, row);
      for (const { row, blockedBy } of asleep) this.conclude(row, { kind: 'wait', dueMs: undefined, blockedBy });
      for (const row of idle) this.park(row, endpoints.latest(row.agentEventId)?.value);
    }
    this.afterChange(agent);
  }

  private refresh(agent: AgentWork, stale: readonly number[]): void {
    if (agent.isRefreshing) return; // looked at again when that is read
    agent.isRefreshing = true;
    agent.pins += 1;
    Promise.all(stale.map((id) => this.options.endpoints.get(id))).then(
      () => this.refreshed(agent),
      (error: unknown) => {
        this.options.logger.warn({ err: error }, 'delivery.endpoints_not_read');
        setTimeout(() => this.refreshed(agent), AGAIN_MS);
      },
    );
  }

  private refreshed(agent: AgentWork): void {
    agent.isRefreshing = false;
    this.unpin(agent);
    this.pump(agent);
  }

  /** A row of an agent event that is deleted, or suspended until its head's window ends. */
  private park(row: RowWork, endpoint: Endpoint | undefined): void {
    if (row.result) return;
    if (!endpoint) return this.conclude(row, { kind: 'drop' });
    const leftMs = row.head!.expiresAt - performance.now();
    if (leftMs <= 0) return this.giveUp(row, 'suspended until the retry window ended');
    this.conclude(row, { kind: 'wait', dueMs: leftMs, blockedBy: undefined });
  }

  private conclude(row: RowWork, result: RowResult): void {
    row.result = result;
  }

  private giveUp(row: RowWork, error: string): void {
    const record = unsentRecord(row.agentEventId, row.head!.id, row.attempts + 1, 'failed', error);
    this.options.metrics.countEnd('failed');
    this.conclude(row, { kind: 'next', record, isDelivered: false });
  }

  private expire(entry: EntryWork): void {
    entry.state = 'over';
    entry.record = unsentRecord(entry.agentEventId, entry.change.id, 1, 'failed', 'the retry window ended');
    this.options.metrics.countEnd('failed');
  }

  private deliveryOf(agent: AgentWork, agentEventId: number, change: Change, attempts: number, onSlow?: () => void): DueDelivery {
    const { endpoints, leases } = this.options;
    const endpoint = endpoints.latest(agentEventId)!;
    return deliveryOf(agent, { agentEventId, change, attempts, endpoint, leases: leases(), onSlow });
  }

  private async sendEntry(agent: AgentWork, entry: EntryWork): Promise<void> {
    const url = entry.sentTo!;
    const onSlow = (): void => {
      if (entry.state !== 'out' || agent.lease.ending) return;
      entry.state = 'slow';
      entry.outUntil = performance.now() + this.options.timeoutMs;
      this.options.metrics.spilt.inc();
      this.pump(agent);
    };
    const delivery = this.deliveryOf(agent, entry.agentEventId, entry.change, 0, onSlow);
    const outcome = await this.options.attempts.attempt(delivery);
    const { row } = entry;
    if (row) return this.settleRow(agent, row, outcome);
    if (entry.isLeaving) {
      entry.late = () => this.settleRow(agent, entry.row!, outcome);
      return;
    }
    this.settleEntry(agent, entry, outcome, url);
    this.pump(agent);
  }

  private settleEntry(agent: AgentWork, entry: EntryWork, outcome: SendOutcome, url: string): void {
    if (outcome.kind === 'attempted') {
      const verdict = this.judge(outcome, 1, entry.change.expiresAt);
      this.options.metrics.noteFirst(entry.change.expiresAt - this.options.windowMs, outcome.result);
      entry.record = attemptRecord(entry.agentEventId, entry.change.id, outcome, verdict);
      entry.state = ({ delivered: 'delivered', retry: 'failed', failed: 'ended', gone: 'gone' } as const)[verdict.kind];
      if (verdict.kind === 'retry') entry.dueMs = verdict.delayMs;
      this.options.onAnswered(agent.clientId, entry.agentEventId, url, verdict.kind === 'delivered');
      return;
    }
    switch (outcome.reason) {
      case 'deleted':
        entry.state = 'over';
        return;
      case 'suspended':
        entry.state = 'behind';
        entry.parked = true;
        return;
      case 'moved':
        entry.state = 'waiting';
        entry.sentTo = undefined;
        return;
      case 'too_late':
        if (performance.now() >= entry.change.expiresAt) return this.expire(entry);
        entry.state = 'waiting';
        entry.sentTo = undefined;
        setTimeout(() => this.pump(agent), AGAIN_MS);
        return;
      case 'stopping':
        entry.state = 'waiting';
        entry.sentTo = undefined;
        return agent.lease.ending ? agent.table.dropWaiting() : undefined;
      case 'breaker':
      case 'full':
      case 'slow':
      case 'not_prepared':
        this.options.metrics.givenBack.inc({ reason: outcome.reason });
        entry.state = 'behind';
        entry.dueMs = outcome.delayMs;
        this.options.onRefused(agent.clientId, entry.agentEventId, url, outcome.delayMs);
    }
  }

  private async sendRow(agent: AgentWork, row: RowWork): Promise<void> {
    const head = row.head!;
    if (performance.now() >= head.expiresAt) {
      this.giveUp(row, 'the retry window ended');
      return this.afterChange(agent);
    }
    this.settleRow(agent, row, await this.options.attempts.attempt(this.deliveryOf(agent, row.agentEventId, head, row.attempts)));
  }

  private settleRow(agent: AgentWork, row: RowWork, outcome: SendOutcome): void {
    const url = row.sentTo!;
    if (outcome.kind === 'attempted') {
      const verdict = this.judge(outcome, row.attempts + 1, row.head!.expiresAt);
      const record = attemptRecord(row.agentEventId, row.head!.id, outcome, verdict);
      if (verdict.kind === 'delivered' || verdict.kind === 'failed') {
        this.conclude(row, { kind: 'next', record, isDelivered: verdict.kind === 'delivered' });
      } else {
        const dueMs = verdict.kind === 'retry' ? verdict.delayMs : row.head!.expiresAt - performance.now();
        this.conclude(row, { kind: 'retry', record, dueMs, isGone: verdict.kind === 'gone' });
      }
      this.options.onAnswered(agent.clientId, row.agentEventId, url, verdict.kind === 'delivered');
      return this.pump(agent);
    }
    switch (outcome.reason) {
      case 'deleted':
        this.conclude(row, { kind: 'drop' });
        break;
      case 'moved':
      case 'suspended':
        row.sentTo = undefined;
        break;
      case 'too_late':
        row.sentTo = undefined;
        setTimeout(() => this.pump(agent), AGAIN_MS);
        return;
      case 'breaker':
      case 'full':
      case 'slow':
      case 'not_prepared':
      case 'stopping':
        this.options.metrics.givenBack.inc({ reason: outcome.reason });
        this.release(row);
        this.options.onRefused(agent.clientId, row.agentEventId, url, outcome.delayMs);
    }
    this.pump(agent);
  }

  private judge({ result }: SendOutcome & { readonly kind: 'attempted' }, attempts: number, expiresAt: number): Verdict {
    const leftMs = expiresAt - performance.now();
    const verdict = decideRetry(this.options.schedule, { result, attempts, leftMs, now: Date.now(), random: Math.random() });
    this.options.metrics.countAttempt(verdict.kind, result);
    return verdict;
  }
}
