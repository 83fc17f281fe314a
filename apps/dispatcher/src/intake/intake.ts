import { Injectable } from '@nestjs/common';
import { partitionKey, type StatusChange } from '#contracts';
import type { Pool } from '#database';
import { groupBy, inTurns, waitBackoff, type Logger } from '#runtime';
import { noteFanOut, traceIdsOf } from '#tracing';
import type { BatchedCache } from '../attempt/batched-cache.js';
import type { Endpoint } from '../attempt/delivery.js';
import { changeOf, type AgentWork, type EntryWork } from '../lanes/agent-work.js';
import type { Deliveries } from '../lanes/deliveries.js';
import type { DispatcherMetrics } from '../metrics.js';
import { readGaps } from './change-log.repository.js';
import { FanOuts } from './fan-outs.js';
import { readPlan, type Plan, type PlannedAgent } from './plan.repository.js';
import { entriesOf, eventsByChange } from './planned-entries.js';
import { joinOn } from './progress.js';

export interface IntakeOptions {
  readonly pool: Pool;
  readonly windowMs: number;
  readonly deliveries: Deliveries;
  readonly endpoints: BatchedCache<Endpoint | undefined>;
  /** Deliveries that wait for a slot. */
  readonly waiting: () => number;
  /** How many deliveries this process sends in a time of work, in milliseconds; `Infinity` as long as it has enough time left. */
  readonly sentWithin: (ms: number) => number;
  /** Most deliveries in memory. */
  readonly capacity: number;
  readonly metrics: DispatcherMetrics;
  readonly logger: Logger;
}

/** Changes that are planned by one statement ... */
const MAX_BATCH = 1000;
/** ... and deliveries of them; what does not fit is planned in its next turn, after what others have brought meanwhile. */
const PAGE = { after: 0, limit: 2000 };
/** A batch waits this long for room in memory, in milliseconds. */
const MAX_ROOM_WAIT_MS = 2000;
/** With more deliveries than this waiting to be sent, there is no hurry to add to them ... */
const READY = 1000;
/** ... nor with more than this process sends in so much time of work, in milliseconds ... */
const READY_MS = 150;
/** ... which are these at least ... */
const MIN_READY = 100;
/** ... for so long, in milliseconds, or while they are sent: those that wait may all be of one client, which must not hold up the others. */
const MAX_READY_WAIT_MS = 250;
const ROOM_POLL = { firstMs: 5, maxMs: 5 };

interface Waiting {
  /** Not planned yet. */
  changes: readonly StatusChange[];
  /** How many of them are planned by the next statement at most: about as many as fit. */
  size: number;
  /** Results of those that are planned. */
  readonly parts: Planned[];
  /** Called once all are planned: with what is left to wait for. */
  readonly resolve: (planned: Planned) => void;
  readonly reject: (reason: unknown) => void;
}

/** A part of what waits, that is planned next. */
interface Turn {
  readonly of: Waiting;
  readonly changes: readonly StatusChange[];
}

/** Result of planning. */
export interface Planned {
  /** When everything about the changes is recorded; rejects when that will not be. */
  readonly recorded: Promise<unknown>;
  /** Changes of agents whose shard was not this instance's when they were looked at. */
  readonly passedOver: readonly StatusChange[];
}

/**
 * First attempts: takes changes as the topic, or the log, brings them, reads what they are to be notified to, and has it attempted.
 * What is brought while a plan is read shares the next one. Nothing of a success is ever queued: the topic is the queue.
 */
@Injectable()
export class Intake {
  private waiting: Waiting[] = [];
  private running = false;
  private readonly fanOuts: FanOuts;

  constructor(private readonly options: IntakeOptions) {
    this.fanOuts = new FanOuts(options);
  }

  /**
   * Plans changes. Those of agents whose shard is not this instance's are passed over: their owner finds them in the log.
   *
   * @returns once they are planned
   * @throws when that could not be had; repeating it sends nothing twice that is recorded
   */
  plan(changes: readonly StatusChange[]): Promise<Planned> {
    if (changes.length === 0) return Promise.resolve({ recorded: Promise.resolve(), passedOver: [] });
    return new Promise((resolve, reject) => {
      this.waiting.push({ changes, size: MAX_BATCH, parts: [], resolve, reject });
      if (this.running) return;
      this.running = true;
      // After what else was brought at this moment: a batch of each partition then shares the plan.
      setImmediate(() => void this.run());
    });
  }

  private async run(): Promise<void> {
    while (this.waiting.length > 0) {
      const turns = this.take();
      const changes = [...new Map(turns.flatMap((turn) => turn.changes).map((change) => [change.id, change])).values()];
      const agents = new Map<string, AgentWork>();
      try {
        await this.waitForRoom(changes.length);
        for (const change of changes) {
          const key = partitionKey(change);
          const agent = agents.has(key) ? undefined : this.options.deliveries.pin(change);
          if (agent) agents.set(key, agent);
        }
        const { left, fannedOut } = await this.planAll(changes, agents);
        for (const turn of turns) this.conclude(turn, left, agents, fannedOut);
      } catch (error) {
        for (const turn of turns) turn.of.reject(error);
      }
      for (const agent of agents.values()) this.options.deliveries.unpin(agent);
    }
    this.running = false;
  }

  private take(): Turn[] {
    const turns: Turn[] = [];
    let room = Math.min(MAX_BATCH, this.ready);
    for (const of of this.waiting) {
      if (turns.length > 0 && Math.min(of.size, of.changes.length) > room) break;
      const changes = of.changes.slice(0, Math.min(of.size, room));
      turns.push({ of, changes });
      room -= changes.length;
    }
    this.waiting = this.waiting.slice(turns.length);
    return turns;
  }

  /** What is planned of a turn is waited for; what is not comes to the end. */
  private conclude(
    { of, changes }: Turn,
    left: ReadonlySet<string>,
    agents: ReadonlyMap<string, AgentWork>,
    fannedOut: ReadonlyMap<string, Promise<void>>,
  ): void {
    const unplanned = changes.filter((change) => left.has(partitionKey(change)));
    const planned = changes.filter((change) => !left.has(partitionKey(change)));
    of.parts.push(plannedOf(planned, agents, fannedOut));
    of.changes = [...unplanned, ...of.changes.slice(changes.length)];
    of.size = unplanned.length > 0 ? Math.max(2 * planned.length, 1) : Math.max(of.size, MAX_BATCH);
    if (of.changes.length > 0) return void this.waiting.push(of);
    of.resolve({
      recorded: Promise.all(of.parts.map(({ recorded }) => recorded)),
      passedOver: of.parts.flatMap(({ passedOver }) => passedOver),
    });
  }

  /** @returns agents whose changes did not fit, to be planned again, and what becomes of those that are planned in pages */
  private async planAll(
    changes: readonly StatusChange[],
    agents: ReadonlyMap<string, AgentWork>,
  ): Promise<{ readonly left: ReadonlySet<string>; readonly fannedOut: ReadonlyMap<string, Promise<void>> }> {
    const { pool, metrics, logger } = this.options;
    const startedAt = performance.now();
    const fannedOut = new Map<string, Promise<void>>();
    const fanOut = (key: string, of: readonly StatusChange[]): void => {
      const done = this.fanOuts.add(agents.get(key)!, of);
      done.catch(() => undefined); // whoever waits for it is told
      fannedOut.set(key, done);
    };
    const unplanned = new Map<string, StatusChange[]>();
    for (const [key, of] of groupBy(changes, partitionKey)) {
      const agent = agents.get(key);
      const own = agent ? of.filter(({ sequence }) => agent.cursor === undefined || sequence > agent.taken) : [];
      if (own.length === 0) continue;
      if (this.fanOuts.has(agent!)) fanOut(key, own);
      else unplanned.set(key, own);
    }
    const own = inTurns([...unplanned.values()], ([first]) => first!.clientId).flatMap(bySequence);
    if (own.length === 0) return { left: new Set(), fannedOut };
    const plan = await readPlan(pool, own, PAGE);
    for (const [key, agent] of agents) load(agent, plan.agents.get(key));
    const left = agentsFrom(own, plan);
    const first = partitionKey(own[0]!);
    if (left.delete(first)) fanOut(first, unplanned.get(first)!);
    const complete = own.filter((change) => !left.has(partitionKey(change)) && !fannedOut.has(partitionKey(change)));
    const logged = complete.filter(({ id, sequence, ...key }) => plan.logged.has(id) || isDone(agents, key, sequence));
    if (logged.length < complete.length) {
      logger.warn({ changes: complete.length - logged.length }, 'intake.changes_not_in_the_log');
      metrics.unknown.inc(complete.length - logged.length);
    }
    const byAgent = groupBy(logged, partitionKey);
    const plans = [plan, ...(await this.fillGaps(byAgent, agents, fanOut))];
    const deliveries = this.takeAll(byAgent, plans, agents, startedAt);
    metrics.changes.inc(complete.length);
    if (logger.isLevelEnabled('debug')) {
      const traceIds = traceIdsOf(complete, (change) => change);
      const latencyMs = Math.round(performance.now() - startedAt);
      const what = { changes: complete.length, trace_ids: traceIds, agents: byAgent.size, deliveries, latency_ms: latencyMs };
      logger.debug(what, 'intake.planned');
    }
    return { left, fannedOut };
  }

  /** Adds what the topic lacks from the log. Agents for whom that is more than fits are planned in pages. @returns the plans of it */
  private async fillGaps(
    byAgent: Map<string, StatusChange[]>,
    agents: ReadonlyMap<string, AgentWork>,
    fanOut: (key: string, of: readonly StatusChange[]) => void,
  ): Promise<Plan[]> {
    const { pool, windowMs, metrics, logger } = this.options;
    const gaps = [...byAgent].flatMap(([key, of]) => {
      const { clientId, agentId } = of[0]!;
      return joinOn(agents.get(key)!.taken, of).gaps.map((gap) => ({ ...gap, clientId, agentId }));
    });
    if (gaps.length === 0) return [];
    const filled = [...groupBy(await readGaps(pool, gaps, windowMs), partitionKey).values()].flatMap(bySequence);
    const plans: Plan[] = [];
    const tooMany = new Set<string>();
    for (let from = 0; from < filled.length && tooMany.size === 0; from += MAX_BATCH) {
      const plan = await readPlan(pool, filled.slice(from, from + MAX_BATCH), PAGE);
      plans.push(plan);
      if (plan.end) for (const key of agentsFrom(filled, plan)) tooMany.add(key);
    }
    for (const change of filled) byAgent.get(partitionKey(change))!.push(change);
    for (const key of tooMany) {
      fanOut(key, byAgent.get(key)!);
      byAgent.delete(key);
    }
    metrics.filled.inc(filled.length);
    const missing = gaps.reduce((sum, { after, before }) => sum + before - after - 1, 0) - filled.length;
    if (missing > 0) metrics.gaps.inc(missing);
    logger.info({ changes: filled.length, missing }, 'intake.filled_from_log');
    return plans;
  }

  /** @returns how many first attempts were planned */
  private takeAll(
    byAgent: ReadonlyMap<string, readonly StatusChange[]>,
    plans: readonly Plan[],
    agents: ReadonlyMap<string, AgentWork>,
    startedAt: number,
  ): number {
    const { endpoints, deliveries, windowMs, metrics } = this.options;
    let count = 0;
    const planned = eventsByChange(plans, endpoints);
    for (const [key, of] of byAgent) {
      const agent = agents.get(key)!;
      const { fresh } = joinOn(agent.taken, of);
      const last = fresh.at(-1);
      if (!last) continue;
      const entries: EntryWork[] = [];
      for (const change of fresh) {
        const events = planned.get(change.id);
        noteFanOut(change, startedAt, events?.length ?? 0);
        if (events) entries.push(...entriesOf(changeOf(change, windowMs, plans[0]!.clockOffset), events));
      }
      count += entries.length;
      deliveries.take(agent, entries, last.sequence);
    }
    metrics.planned.inc(count);
    return count;
  }

  /** How many deliveries may wait, and changes be planned at a time, so that all are sent soon: what is left in the topic does not grow old here. */
  private get ready(): number {
    return Math.min(READY, Math.max(MIN_READY, Math.floor(this.options.sentWithin(READY_MS))));
  }

  /**
   * A backlog is best left in the topic. Receivers that are all slow slow the consumer down; dead ones keep so little in memory that
   * they do not.
   */
  private async waitForRoom(size: number): Promise<void> {
    const { waiting, deliveries, capacity } = this.options;
    const startedAt = performance.now();
    const waited = (): number => performance.now() - startedAt;
    const longestMs = (): number => (this.ready < READY ? READY_MS : MAX_READY_WAIT_MS);
    while (waiting() > this.ready && waited() < longestMs()) await waitBackoff(1, ROOM_POLL);
    const enough = Math.min(size, capacity / 2);
    while (capacity - deliveries.inMemory < enough && waited() < MAX_ROOM_WAIT_MS) await waitBackoff(1, ROOM_POLL);
  }
}

/** Takes over what was read of an agent, but where its work has gone on meanwhile: its own knowledge is newer. */
function load(agent: AgentWork, read: PlannedAgent | undefined): void {
  if (agent.cursor !== undefined || !read) return;
  agent.cursor = read.cursor;
  agent.taken = read.cursor;
  agent.aheadTo = read.aheadTo;
  for (const { agentEventId, next } of read.rows) {
    agent.table.rows.set(agentEventId, { clientId: agent.clientId, agentEventId, next, attempts: 0, version: 0, inHand: false });
  }
}

function isDone(
  agents: ReadonlyMap<string, AgentWork>,
  key: Pick<StatusChange, 'clientId' | 'agentId'>,
  sequence: number,
): boolean {
  return sequence <= agents.get(partitionKey(key))!.taken;
}

/** Agents of the change that a plan ends in, and of those after it. */
function agentsFrom(changes: readonly StatusChange[], { end }: Plan): Set<string> {
  if (!end) return new Set();
  const at = changes.findIndex(({ id }) => id === end.changeId);
  return new Set(changes.slice(at).map(partitionKey));
}

function bySequence(changes: readonly StatusChange[]): StatusChange[] {
  return [...changes].sort((one, other) => one.sequence - other.sequence);
}

function plannedOf(
  changes: readonly StatusChange[],
  agents: ReadonlyMap<string, AgentWork>,
  fannedOut: ReadonlyMap<string, Promise<void>>,
): Planned {
  const passedOver: StatusChange[] = [];
  const newest = new Map<AgentWork, number>();
  const waits = new Set<Promise<void>>();
  for (const change of changes) {
    const agent = agents.get(partitionKey(change));
    const pages = fannedOut.get(partitionKey(change));
    if (!agent) passedOver.push(change);
    else if (pages) waits.add(pages);
    // One that the log does not have is not waited for: nothing of it was taken. Nor was anything for an agent that was given up
    // while it was planned, but that one is to be planned by whoever has its shard now.
    else if (change.sequence <= agent.taken || agent.isOver) newest.set(agent, Math.max(newest.get(agent) ?? 0, change.sequence));
  }
  for (const [agent, sequence] of newest) waits.add(agent.recorded(sequence));
  const recorded = Promise.all(waits);
  recorded.catch(() => undefined); // whoever waits for all of a batch is told, once that is planned
  return { recorded, passedOver };
}
