import { V7Generator } from 'uuidv7';
import type { BusBatch } from '#bus';
import { parseTelemetry } from '#contracts';
import type { Pool } from '#database';
import type { Logger } from '#runtime';
import { noteDecided, traceIdsOf } from '#tracing';
import type { AgentState } from '../decision/presence-decision.js';
import type { AgentWrite, DecidedChange, OutboxEntry, WriteOutcome } from '../log/agent-write.js';
import { compareAndSet, readStates } from '../log/presence.repository.js';
import { movePositions, type TelemetryPosition } from '../log/telemetry-position.repository.js';
import type { PresenceMetrics } from '../metrics.js';
import {
  decideBatch,
  batchesByAgent,
  itemsByClient,
  type AgentBatch,
  type PendingItem,
  type TelemetryResult,
} from './agent-batch.js';
import { MicroBatcher } from './micro-batcher.js';
import { PartitionPositions } from './partition-positions.js';
import { planRecords, type PartitionItem, type PartitionPlan, type PartitionRecord } from './partition-records.js';
import { PositionMover, type PositionTarget } from './position-mover.js';
import { RecentWrites } from './recent-writes.js';
import { StateMemory } from './state-memory.js';
import { describeRejection } from './telemetry-record.js';

/** Most items of a statement, unless one partition brings more. Others wait for what is under way, so it is no more than a request may bring. */
const MAX_BATCH_ITEMS = 1000;
/**
 * While the database works on one batch, Node prepares another; more than three would only make agents meet themselves. One client
 * has one under way: with two, a flood of one client kept another's single reports waiting for longer than contract §7.5 allows.
 */
const HTTP_LIMITS = { maxSize: MAX_BATCH_ITEMS, maxInFlight: 3, maxInFlightOfOwner: 1, maxWaiting: 50_000 };
/** Of its own, so that a partition's backlog is in no request's way. What waits is bounded by the partitions: a batch each. */
const BUS_LIMITS = { maxSize: MAX_BATCH_ITEMS, maxInFlight: 2, maxInFlightOfOwner: 1, maxWaiting: Infinity };
/** Rounds in which an agent may lose to another writer. Somebody wins every round, so this is never met in practice. */
const MAX_ROUNDS = 50;

/** Takes committed changes: the relay of this process. */
export interface ChangeListener {
  /** Lists the shards that this process publishes itself, so that it need not be notified through the database. */
  ownShards(): readonly number[];
  /** Offers changes that were committed, in shards that this process publishes itself. @param changes those of an agent in sequence */
  offer(changes: readonly OutboxEntry[]): void;
}

export interface TelemetryServiceOptions {
  readonly pool: Pool;
  readonly relay: ChangeListener;
  /** The database's clock, in milliseconds since the epoch. */
  readonly clock: { now(): number };
  readonly metrics: PresenceMetrics;
  readonly logger: Logger;
  /** Called with items once they are decided, in order. */
  readonly onDecided?: (items: readonly PendingItem[]) => void;
}

/** Says that an item could not be decided, since too many others write the same agent. Nothing was answered; it may be sent again. */
export class ContentionError extends Error {
  override readonly name = 'ContentionError';
}

/** Says that a request was refused before anything of it was decided: a client's telemetry comes faster than it can be taken. */
export class BacklogError extends Error {
  override readonly name = 'BacklogError';

  /** @param isOwn whether the client itself has telemetry waiting; false: so many others do that there is no room */
  constructor(
    clientId: number,
    readonly isOwn: boolean,
  ) {
    super(isOwn ? `Too much telemetry of client ${clientId} is waiting` : 'Too much telemetry is waiting');
  }
}

/** One client's items of one request, or those of one partition's batch; they stay together, so they stay in order. */
interface Job {
  /** The client, or the partition. */
  readonly owner: number | string;
  readonly items: readonly PendingItem[];
  readonly size: number;
  /** Moves the partition's position; undefined over HTTP. */
  readonly mover?: PositionMover;
}

/** An agent whose items are not settled yet. */
interface Open {
  readonly agent: AgentBatch;
  /** State of the agent as this process remembers it. */
  readonly guess: AgentState | undefined;
}

/** An agent whose items would change nothing, if the guess still holds. */
interface Repeat extends Open {
  readonly guess: AgentState;
}

/** An agent's items, and what is to be written for them. */
interface Decided {
  readonly agent: AgentBatch;
  readonly write: AgentWrite;
}

/** The one path of telemetry, over HTTP and Kafka alike: contract §4. */
export class TelemetryService {
  private readonly memory = new StateMemory();
  private readonly recentWrites: RecentWrites;
  private readonly positions: PartitionPositions;
  private readonly ids = new V7Generator();
  private readonly requests = new MicroBatcher<Job>((jobs) => this.runBatch(jobs), HTTP_LIMITS);
  private readonly partitions = new MicroBatcher<Job>((jobs) => this.runBatch(jobs), BUS_LIMITS);

  constructor(private readonly options: TelemetryServiceOptions) {
    this.recentWrites = new RecentWrites(options.pool, this.memory, options.metrics);
    this.positions = new PartitionPositions(options.pool, options.metrics);
  }

  /**
   * Applies the items of a request in order. Resolves when every change among them is durable.
   *
   * @param values parsed JSON; what is no telemetry item is rejected and spoils nothing else
   * @param now of the receipt, in milliseconds since the epoch
   * @param traceparent W3C trace context of the request, as it came
   * @returns one result an item, in order
   * @throws BacklogError, before anything was decided
   * @throws the database's error, or ContentionError; items may then have been applied, and it does no harm to repeat them
   */
  async apply(values: readonly unknown[], now = this.options.clock.now(), traceparent?: string): Promise<TelemetryResult[]> {
    const startedAt = performance.now();
    const results = new Array<TelemetryResult>(values.length);
    const items: PendingItem[] = [];
    for (let index = 0; index < values.length; index++) {
      const parsed = parseTelemetry(values[index], now);
      if (parsed.ok) items.push({ item: parsed.item, traceparent, result: undefined });
      else results[index] = { result: 'rejected', errors: parsed.errors };
    }
    const byClient = itemsByClient(items);
    for (const [clientId, { length }] of byClient) {
      if (!this.requests.hasRoomFor(clientId, length)) throw new BacklogError(clientId, this.requests.backlogOf(clientId) > 0);
    }
    await Promise.all([...byClient].map(([owner, of]) => this.requests.add({ owner, items: of, size: of.length })));
    let decided = 0;
    for (let index = 0; index < results.length; index++) results[index] ??= items[decided++]!.result!;
    this.options.metrics.countResults(results, 'http');
    this.decided(items, startedAt);
    return results;
  }

  /**
   * Applies the records of a partition that have not been decided before, in order. Resolves when every change among them is
   * durable, and that they were decided.
   *
   * @param records those of the batch whose value is JSON
   * @returns why records cannot be used, by offset; also of those that were decided before, as their dead letters may not be written
   * @throws the bus's error or the database's, PositionMovedError, or ContentionError; the same batch may be applied again
   */
  async applyRecords(batch: BusBatch, records: readonly PartitionRecord[]): Promise<ReadonlyMap<number, string>> {
    try {
      const position = await this.positions.of(batch);
      const plan = planRecords(records, position, this.options.clock.now());
      const end = Number(batch.records.at(-1)!.offset) + 1;
      this.positions.keep(batch, await this.applyNew(plan, end, await this.applyLeftover(plan, end, position)));
      return plan.rejected;
    } catch (error) {
      this.positions.forget(batch);
      throw error;
    }
  }

  /** Applies the records that a crash left undecided; more of them may come with the next batch. */
  private async applyLeftover(plan: PartitionPlan, end: number, position: TelemetryPosition): Promise<TelemetryPosition> {
    const { undecided, nextOffset } = position;
    if (undecided === null || plan.leftover.length === 0) return position;
    const remaining = end < nextOffset ? { from: end, agents: undecided.agents } : null;
    const { asOf } = position;
    return this.applyItems(plan.leftover, plan, position, { from: undecided.from, nextOffset, asOf, undecided: remaining });
  }

  private async applyNew(plan: PartitionPlan, end: number, position: TelemetryPosition): Promise<TelemetryPosition> {
    if (end <= position.nextOffset) return position;
    const { asOf } = plan;
    return this.applyItems(plan.items, plan, position, { from: position.nextOffset, nextOffset: end, asOf, undecided: null });
  }

  private async applyItems(
    items: readonly PartitionItem[],
    { rejected, kept }: PartitionPlan,
    position: TelemetryPosition,
    target: Omit<PositionTarget, 'rejected'>,
  ): Promise<TelemetryPosition> {
    const keepRejected = (): Record<string, string> => {
      const all: Record<string, string> = Object.fromEntries(kept);
      for (const { offset, result } of items) {
        if (result?.result === 'rejected') all[offset] = describeRejection(result.errors);
      }
      return all;
    };
    const mover = new PositionMover(position, { ...target, rejected: keepRejected });
    const startedAt = performance.now();
    const owner = `${position.topicId}[${position.partition}]`;
    await this.partitions.add({ owner, items, size: items.length, mover });
    for (const [offset, reason] of Object.entries(keepRejected())) {
      rejected.set(Number(offset), reason);
      kept.set(Number(offset), reason);
    }
    this.options.metrics.countResults(
      items.map(({ result }) => result!),
      'kafka',
    );
    this.decided(items, startedAt);
    return mover.position;
  }

  private decided(items: readonly PendingItem[], startedAt: number): void {
    this.options.onDecided?.(items);
    for (const { item, result, traceparent } of items) {
      if (traceparent === undefined || result!.result === 'changed') continue;
      noteDecided(traceparent, startedAt, item, result!.result);
    }
  }

  /** Resolves when everything that was accepted has been settled. */
  async drain(): Promise<void> {
    await Promise.all([this.requests.idle(), this.partitions.idle()]);
  }

  private async runBatch(jobs: readonly Job[]): Promise<void> {
    const startedAt = performance.now();
    const agents = batchesByAgent(jobs.length === 1 ? jobs[0]!.items : jobs.flatMap((job) => job.items));
    const movers = jobs.flatMap(({ mover }) => mover ?? []);
    const changes: DecidedChange[] = [];
    let rounds = 0;
    let open: readonly Open[] = agents.map((agent) => ({ agent, guess: this.memory.recall(agent) }));
    for (; open.length > 0; rounds++) {
      if (rounds === MAX_ROUNDS) throw new ContentionError('too many others report the same agents at this moment');
      const round = await this.decideAndWrite(open, movers);
      open = round.lost;
      changes.push(...round.changes);
    }
    const unsettled = movers.filter((mover) => !mover.isSettled);
    if (unsettled.length > 0) await this.move(unsettled);
    const tookMs = performance.now() - startedAt;
    const { metrics, logger } = this.options;
    metrics.observeBatch(tookMs / 1000);
    metrics.setWaiting('http', this.requests.waiting);
    metrics.setWaiting('kafka', this.partitions.waiting);
    const isNews = changes.length > 0;
    if (!logger.isLevelEnabled(isNews ? 'info' : 'debug')) return;
    const summary = {
      requests: jobs.length,
      items: jobs.reduce((sum, job) => sum + job.size, 0),
      agents: agents.length,
      changes: changes.length,
      trace_ids: traceIdsOf(changes, ({ id, hop }) => ({ id, traceparent: hop.traceparent })),
      rounds,
      latency_ms: Math.round(tookMs),
    };
    logger[isNews ? 'info' : 'debug'](summary, 'telemetry.applied');
  }

  /**
   * Does one round: decides, and writes where there is something to write. A write from an outdated guess loses, as in any race; that
   * nothing is to be written is believed once it is known that nobody else has written the agent.
   */
  private async decideAndWrite(
    open: readonly Open[],
    movers: readonly PositionMover[],
  ): Promise<{ lost: Open[]; changes: readonly DecidedChange[] }> {
    const decided: Decided[] = [];
    const repeats: Repeat[] = [];
    const unknown: AgentBatch[] = [];
    for (const { agent, guess } of open) {
      const write = guess && decideBatch(agent, guess, this.newId);
      if (write) decided.push({ agent, write });
      else if (guess) repeats.push({ agent, guess });
      else unknown.push(agent);
    }
    if (repeats.length > 0) {
      await this.recentWrites.refresh();
      for (const { agent, guess } of repeats) if (!this.memory.isStill(agent, guess)) unknown.push(agent);
    }
    const states = unknown.length > 0 ? await this.read(unknown) : [];
    unknown.forEach((agent, index) => {
      const write = decideBatch(agent, states[index], this.newId);
      if (write) decided.push({ agent, write });
    });
    return decided.length > 0 ? this.write(decided, movers) : { lost: [], changes: [] };
  }

  /** Makes the id of a change from its time of receipt, by the database's clock: the partition of its row goes by that time too. */
  private readonly newId = (at: number): string => this.ids.generateOrResetWithTs(at).toString();

  /** Notes that records were decided where nothing had to be written for them. */
  private async move(movers: readonly PositionMover[]): Promise<void> {
    const moves = movers.map((mover) => mover.next());
    await this.options.metrics.time('move_positions', () => movePositions(this.options.pool, moves));
    movers.forEach((mover, index) => mover.moved(moves[index]!, true));
  }

  private async read(agents: readonly AgentBatch[]): Promise<readonly (AgentState | undefined)[]> {
    const pending = this.memory.ask(agents);
    let states: readonly (AgentState | undefined)[] = [];
    try {
      states = await this.options.metrics.time('read_states', () => readStates(this.options.pool, agents));
      return states;
    } finally {
      agents.forEach((agent, index) => this.memory.learn(pending, agent, states[index]));
    }
  }

  private async write(
    decided: readonly Decided[],
    movers: readonly PositionMover[],
  ): Promise<{ lost: Open[]; changes: readonly DecidedChange[] }> {
    const { pool, relay, metrics } = this.options;
    const writes = decided.map(({ write }) => write);
    const moves = movers.map((mover) => mover.next());
    const pending = this.memory.ask(writes);
    let outcome: WriteOutcome | undefined;
    try {
      outcome = await metrics.time('compare_and_set', () => compareAndSet(pool, writes, relay.ownShards(), moves));
    } catch (error) {
      // Deadlock, which the order of locks rules out among us but not with an operator's own statement: all of it lost.
      if ((error as { code?: string }).code !== '40P01') throw error;
    } finally {
      writes.forEach((write, index) => {
        this.memory.learn(pending, write, outcome?.written.get(index) ?? outcome?.lost.get(index));
      });
    }
    if (outcome === undefined) return { lost: decided.map(({ agent }) => ({ agent, guess: undefined })), changes: [] };
    const { lost, committed, xid } = outcome;
    movers.forEach((mover, index) => mover.moved(moves[index]!, lost.size === 0));
    if (xid !== undefined) this.recentWrites.ignoreOwn(xid);
    if (committed.length > 0) relay.offer(committed);
    const changes = writes.flatMap((write, index) => (lost.has(index) ? [] : write.changes));
    for (const { hop } of changes) hop.end();
    return { lost: [...lost].map(([index, guess]) => ({ agent: decided[index]!.agent, guess })), changes };
  }
}
