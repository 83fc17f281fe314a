import type { Pool } from '#database';
import type { Logger } from '#runtime';
import type { BatchedCache } from '../attempt/batched-cache.js';
import type { Endpoint } from '../attempt/delivery.js';
import { SUSPEND_AFTER_MS } from '../attempt/retry-policy.js';
import type { AgentWork, AttemptRecord, RowWork } from '../lanes/agent-work.js';
import { unstorable } from '../lanes/attempt-records.js';
import type { Deliveries } from '../lanes/deliveries.js';
import type { DispatcherMetrics } from '../metrics.js';
import { BatchWriter } from './batch-writer.js';
import { markFailing, markWell, recordSnapshots, suspendGone } from './record.repository.js';
import { writeRows, type WrittenRow } from './rows.repository.js';
import { snapshotOf, type Recorded, type RowOutcome, type AgentSnapshot } from './snapshot.js';

export interface RecorderOptions {
  readonly pool: Pool;
  readonly owner: string;
  readonly windowMs: number;
  readonly deliveries: Deliveries;
  readonly endpoints: BatchedCache<Endpoint | undefined>;
  /** Rows of these agents were written: what was read of them before is not true any more. */
  readonly onTouched: (agent: AgentWork) => void;
  /** Something will be due after this delay, in milliseconds. */
  readonly onDue: (delayMs: number) => void;
  /** Told of attempts, and of deliveries that ended without one, once they are written. */
  readonly onRecorded?: ((clientId: number, records: readonly AttemptRecord[]) => void) | undefined;
  readonly metrics: DispatcherMetrics;
  readonly logger: Logger;
}

/** Agents that are recorded by one statement. */
const MAX_BATCH = 500;
/** ... and about so many attempts, so that nobody waits for what another has much of. */
const MAX_WEIGHT = 2000;
/**
 * Statements cost by the call as well as by the row, and only what follows in the lane of a failure waits for one. What was answered in this
 * time is sent again after a crash.
 */
const LINGER_MS = 25;
/** Until an agent is written again whose shard's lease is between two renewals, in milliseconds. */
const LEASE_AGAIN_MS = 200;

/**
 * The one pen: writes what became of deliveries, many agents at a time and an agent at once only, so that each statement sees all that
 * was written of its agents before.
 */
export class Recorder {
  private readonly pending = new Map<AgentWork, AgentSnapshot | undefined>();
  private readonly writer: BatchWriter<AgentWork>;

  constructor(private readonly options: RecorderOptions) {
    this.writer = new BatchWriter<AgentWork>({
      name: 'records',
      write: (agents) => this.write(agents),
      onRefused: (agent) => this.endUnstorable(agent),
      maxSize: MAX_BATCH,
      maxWeight: MAX_WEIGHT,
      weightOf: ({ table }) => 1 + table.entriesUpTo().length,
      turnOf: ({ clientId }) => clientId,
      concurrency: 2,
      lingerMs: LINGER_MS,
      logger: options.logger,
    });
  }

  /** Notes that something of an agent can be recorded; it is, soon. */
  add(agent: AgentWork): void {
    if (this.pending.has(agent)) return;
    this.pending.set(agent, undefined);
    agent.isRecording = true;
    this.writer.add(agent);
  }

  /** Waits until all is written, but no longer than this, in milliseconds. */
  drain(timeoutMs: number): Promise<void> {
    return this.writer.drain(timeoutMs);
  }

  private async write(agents: readonly AgentWork[]): Promise<void> {
    const { endpoints } = this.options;
    const snapshots = agents.flatMap((agent) => {
      const snapshot = this.pending.get(agent) ?? snapshotOf(agent, (id) => endpoints.latest(id)?.value);
      this.pending.set(agent, snapshot);
      return snapshot ? [snapshot] : [];
    });
    await this.noteHealth(snapshots);
    // Cursors first: what falls behind beside a row that is moved on, or goes, is seen by whoever looks what waits in it.
    const advances = snapshots.filter((snapshot) => needsCursor(snapshot) && !snapshot.recorded);
    if (advances.length > 0) {
      const recorded = await recordSnapshots(this.options.pool, this.options.owner, advances, this.wellOf(advances));
      for (const snapshot of advances) snapshot.recorded = recorded.get(snapshot.agent.key);
    }
    const isHeld = (snapshot: AgentSnapshot): boolean => !needsCursor(snapshot) || snapshot.recorded !== undefined;
    await this.writeRowOutcomes(snapshots.filter((snapshot) => snapshot.rowOutcomes.length > 0 && isHeld(snapshot)));
    for (const agent of agents) this.finish(agent);
  }

  private finish(agent: AgentWork): void {
    const snapshot = this.pending.get(agent);
    if (snapshot?.recorded) this.apply(snapshot, snapshot.recorded);
    else if (snapshot && needsCursor(snapshot) && this.options.deliveries.isCurrent(agent)) {
      setTimeout(() => this.writer.add(agent), LEASE_AGAIN_MS);
      return;
    }
    this.pending.delete(agent);
    agent.isRecording = false;
    this.options.deliveries.pump(agent);
    this.options.deliveries.afterChange(agent);
  }

  private apply(snapshot: AgentSnapshot, { moved, cursorBefore = 0 }: Recorded): void {
    const { agent, from, to, entries, newRows } = snapshot;
    const { deliveries, logger, onTouched, onDue } = this.options;
    // Not moved, but there: this statement was done before, and its answer lost.
    if (!moved && cursorBefore !== to) {
      logger.warn({ client_id: agent.clientId, agent_id: agent.agentId, cursor: cursorBefore, from, to }, 'record.conflict');
      agent.cursor = cursorBefore;
      agent.isConflicted = true;
      return;
    }
    this.options.onRecorded?.(agent.clientId, snapshot.records);
    for (const { entry, attempts, dueMs } of newRows) {
      const { agentEventId, sequence } = entry;
      const row: RowWork = { clientId: agent.clientId, agentEventId, next: sequence, attempts, version: 0, inHand: false };
      agent.table.rows.set(entry.agentEventId, row);
      if (entry.state === 'slow') deliveries.holdSpilt(row, entry);
      else if (dueMs !== undefined) onDue(dueMs);
    }
    if (newRows.length > 0) onTouched(agent);
    const beyond = entries.filter(({ sequence }) => sequence > to);
    if (beyond.length > 0) agent.table.forget(new Set(beyond));
    for (const { sequence } of beyond) agent.aheadTo = Math.max(agent.aheadTo, sequence);
    deliveries.recorded(entries.length);
    agent.moveCursor(to);
    for (const { late } of entries) late?.();
  }

  private async writeRowOutcomes(snapshots: readonly AgentSnapshot[]): Promise<void> {
    if (snapshots.length === 0) return;
    const { pool, owner, windowMs } = this.options;
    const outcomes = snapshots.flatMap(({ agent, rowOutcomes }) =>
      rowOutcomes.map((outcome) => ({ ...outcome, lease: agent.lease, agentId: agent.agentId })),
    );
    const written = await writeRows(pool, owner, outcomes, windowMs);
    const well = outcomes.filter(({ result }) => 'record' in result && result.record?.outcome === 'delivered');
    await this.noteWell(well.map(({ row }) => row.agentEventId));
    for (const snapshot of snapshots) {
      this.options.onTouched(snapshot.agent);
      for (const outcome of snapshot.rowOutcomes) {
        this.applyRow(snapshot.agent, outcome, written.get(`${outcome.row.agentEventId}:${snapshot.agent.agentId}`));
      }
    }
  }

  /** What is written is written: where this fails, the next success notes it. */
  private async noteWell(agentEventIds: readonly number[]): Promise<void> {
    if (agentEventIds.length === 0) return;
    try {
      await markWell(this.options.pool, [...new Set(agentEventIds)]);
    } catch (error) {
      this.options.logger.warn({ err: error }, 'record.health_not_noted');
    }
  }

  private applyRow(agent: AgentWork, { row, result }: RowOutcome, written: WrittenRow | undefined): void {
    const { deliveries, onDue } = this.options;
    row.result = undefined;
    if (!written) {
      // Written before, with its answer lost, or not this instance's any more: what is there now is read again.
      deliveries.release(row);
      agent.isConflicted = true;
      return;
    }
    if ('record' in result && result.record) this.options.onRecorded?.(agent.clientId, [result.record]);
    if (result.kind === 'next' && written.head) {
      row.next = written.head.sequence;
      row.head = written.head;
      row.attempts = 0;
      row.version += 1;
      row.sentTo = undefined;
    } else if (result.kind === 'next' || result.kind === 'drop') {
      deliveries.release(row);
      agent.table.rows.delete(row.agentEventId);
    } else {
      deliveries.release(row);
      row.version += 1;
      if (result.kind === 'retry') row.attempts += 1;
      if (result.dueMs !== undefined) onDue(result.dueMs);
    }
    if (result.kind !== 'wait') onDue(0);
  }

  /** Before the results, so that a sibling passes over what is suspended only once that is written. */
  private async noteHealth(snapshots: readonly AgentSnapshot[]): Promise<void> {
    const { pool, metrics, logger } = this.options;
    const gone = new Set<number>();
    const failing = new Set<number>();
    for (const { entries, rowOutcomes } of snapshots) {
      for (const { state, agentEventId } of entries) {
        if (state === 'gone') gone.add(agentEventId);
        else if (state === 'failed' || state === 'ended') failing.add(agentEventId);
      }
      for (const { row, result } of rowOutcomes) {
        if (result.kind === 'retry') (result.isGone ? gone : failing).add(row.agentEventId);
        else if (result.kind === 'next' && result.record?.outcome === 'failed') failing.add(row.agentEventId);
      }
    }
    if (gone.size > 0) {
      await suspendGone(pool, [...gone]);
      this.noteSuspended([...gone]);
      metrics.suspended.inc({ reason: 'gone' }, gone.size);
      logger.info({ agent_event_ids: [...gone], reason: 'gone' }, 'agent_event.suspended');
    }
    const suspended = failing.size > 0 ? await markFailing(pool, [...failing], SUSPEND_AFTER_MS) : [];
    if (suspended.length > 0) {
      this.noteSuspended(suspended);
      metrics.suspended.inc({ reason: 'failing' }, suspended.length);
      logger.info({ agent_event_ids: suspended, reason: 'failing' }, 'agent_event.suspended');
    }
  }

  private noteSuspended(agentEventIds: readonly number[]): void {
    const { endpoints } = this.options;
    for (const id of agentEventIds) {
      const endpoint = endpoints.latest(id)?.value;
      if (endpoint) endpoints.offer(id, { ...endpoint, suspended: true, unwell: true }, performance.now());
    }
  }

  /** Agent events that were noted as failing, and have answered. */
  private wellOf(snapshots: readonly AgentSnapshot[]): number[] {
    const { endpoints } = this.options;
    const well = new Set<number>();
    for (const { entries } of snapshots) {
      for (const { state, agentEventId } of entries) {
        if (state === 'delivered' && endpoints.latest(agentEventId)?.value?.unwell) well.add(agentEventId);
      }
    }
    return [...well];
  }

  /** A result that the database refuses ends its delivery, visibly: otherwise it would be sent again for ever. */
  private async endUnstorable(agent: AgentWork): Promise<void> {
    const snapshot = this.pending.get(agent);
    if (!snapshot) return;
    const { metrics, logger } = this.options;
    snapshot.records = snapshot.records.map(unstorable);
    snapshot.rowOutcomes = snapshot.rowOutcomes.map((outcome) =>
      'record' in outcome.result && outcome.result.record
        ? { ...outcome, result: { kind: 'next', record: unstorable(outcome.result.record), isDelivered: false } }
        : outcome,
    );
    metrics.unstorable.inc(snapshot.records.length + snapshot.rowOutcomes.length);
    logger.error({ client_id: agent.clientId, agent_id: agent.agentId }, 'delivery.result_not_stored');
    await this.write([agent]);
  }
}

function needsCursor({ from, to, entries }: AgentSnapshot): boolean {
  return to > from || entries.length > 0;
}
