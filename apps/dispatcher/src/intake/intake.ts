import { Injectable } from '@nestjs/common';
import { partitionKey, type StatusChange } from '#contracts';
import type { Pool } from '#database';
import { waitBackoff, type Logger } from '#runtime';
import type { BatchedCache } from '../attempt/batched-cache.js';
import type { Endpoint } from '../attempt/delivery.js';
import { changeOf, type AgentWork, type Change, type EntryWork } from '../lanes/agent-work.js';
import type { Deliveries } from '../lanes/deliveries.js';
import type { DispatcherMetrics } from '../metrics.js';
import { readGaps } from './change-log.repository.js';
import { readPlan, type Plan, type PlannedAgent } from './plan.repository.js';
import { joinOn } from './progress.js';

export interface IntakeOptions {
  readonly pool: Pool;
  readonly windowMs: number;
  readonly deliveries: Deliveries;
  readonly endpoints: BatchedCache<Endpoint | undefined>;
  /** Deliveries that wait for a slot. */
  readonly waiting: () => number;
  /** Most deliveries in memory. */
  readonly capacity: number;
  readonly metrics: DispatcherMetrics;
  readonly logger: Logger;
}

/** Changes that are planned by one statement. */
const MAX_BATCH = 1000;
/** A batch waits this long for room in memory, in milliseconds. */
const MAX_ROOM_WAIT_MS = 2000;
/** With more deliveries than this waiting to be sent, there is no hurry to add to them ... */
const READY = 1000;
/** ... for so long, in milliseconds: those that wait may all be of origins that are slow, which must not hold up the others. */
const MAX_READY_WAIT_MS = 250;
const ROOM_POLL = { firstMs: 5, maxMs: 5 };

interface Waiting {
  readonly changes: readonly StatusChange[];
  /** Called once the changes are planned: with what is left to wait for. */
  readonly resolve: (planned: Planned) => void;
  readonly reject: (reason: unknown) => void;
}

/** What came of planning. */
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

  constructor(private readonly options: IntakeOptions) {}

  /**
   * Plans changes. Those of agents whose shard is not this instance's are passed over: their owner finds them in the log.
   *
   * @returns once they are planned
   * @throws when that could not be had; repeating it sends nothing twice that is recorded
   */
  plan(changes: readonly StatusChange[]): Promise<Planned> {
    if (changes.length === 0) return Promise.resolve({ recorded: Promise.resolve(), passedOver: [] });
    return new Promise((resolve, reject) => {
      this.waiting.push({ changes, resolve, reject });
      if (!this.running) void this.run();
    });
  }

  private async run(): Promise<void> {
    this.running = true;
    while (this.waiting.length > 0) {
      const batch = this.take();
      const changes = [...new Map(batch.flatMap((one) => one.changes).map((change) => [change.id, change])).values()];
      const agents = new Map<string, AgentWork>();
      try {
        await this.waitForRoom(changes.length);
        for (const change of changes) {
          const key = partitionKey(change);
          const agent = agents.has(key) ? undefined : this.options.deliveries.pin(change);
          if (agent) agents.set(key, agent);
        }
        await this.planAll(changes, agents);
        for (const one of batch) one.resolve(plannedOf(one.changes, agents));
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
      for (const agent of agents.values()) this.options.deliveries.unpin(agent);
    }
    this.running = false;
  }

  private take(): Waiting[] {
    let size = 0;
    let count = 0;
    for (const { changes } of this.waiting) {
      if (count > 0 && size + changes.length > MAX_BATCH) break;
      size += changes.length;
      count += 1;
    }
    return this.waiting.splice(0, count);
  }

  private async planAll(changes: readonly StatusChange[], agents: ReadonlyMap<string, AgentWork>): Promise<void> {
    const { pool, windowMs, metrics, logger } = this.options;
    const startedAt = performance.now();
    const own = changes.filter((change) => {
      const agent = agents.get(partitionKey(change));
      return agent && (agent.cursor === undefined || change.sequence > agent.taken);
    });
    if (own.length === 0) return;
    const plans = [await readPlan(pool, own)];
    for (const [key, agent] of agents) load(agent, plans[0]!.agents.get(key));
    const logged = own.filter(({ id, sequence, ...key }) => plans[0]!.logged.has(id) || isDone(agents, key, sequence));
    if (logged.length < own.length) {
      logger.warn({ changes: own.length - logged.length }, 'intake.changes_not_in_the_log');
      metrics.unknown.inc(own.length - logged.length);
    }
    const byAgent = groupByAgent(logged);
    const gaps = [...byAgent].flatMap(([key, of]) => {
      const { clientId, agentId } = of[0]!;
      return joinOn(agents.get(key)!.taken, of).gaps.map((gap) => ({ ...gap, clientId, agentId }));
    });
    if (gaps.length > 0) {
      const filled = await readGaps(pool, gaps, windowMs);
      for (let from = 0; from < filled.length; from += MAX_BATCH)
        plans.push(await readPlan(pool, filled.slice(from, from + MAX_BATCH)));
      for (const change of filled) byAgent.get(partitionKey(change))!.push(change);
      metrics.filled.inc(filled.length);
      const missing = gaps.reduce((sum, { after, before }) => sum + before - after - 1, 0) - filled.length;
      if (missing > 0) metrics.gaps.inc(missing);
      logger.info({ changes: filled.length, missing }, 'intake.filled_from_log');
    }
    const deliveries = this.takeAll(byAgent, plans, agents);
    metrics.changes.inc(changes.length);
    const latencyMs = Math.round(performance.now() - startedAt);
    logger.debug({ changes: changes.length, agents: byAgent.size, deliveries, latency_ms: latencyMs }, 'intake.planned');
  }

  /** @returns how many first attempts were planned */
  private takeAll(
    byAgent: ReadonlyMap<string, readonly StatusChange[]>,
    plans: readonly Plan[],
    agents: ReadonlyMap<string, AgentWork>,
  ): number {
    const { endpoints, deliveries, windowMs, metrics } = this.options;
    let count = 0;
    const planned = new Map<string, number[]>();
    for (const plan of plans) {
      for (const { changeId, agentEventId, ...endpoint } of plan.deliveries) {
        endpoints.offer(agentEventId, endpoint, plan.readAt);
        const events = planned.get(changeId);
        if (events) events.push(agentEventId);
        else planned.set(changeId, [agentEventId]);
      }
    }
    for (const [key, of] of byAgent) {
      const agent = agents.get(key)!;
      const { fresh } = joinOn(agent.taken, of);
      const last = fresh.at(-1);
      if (!last) continue;
      const entries: EntryWork[] = [];
      for (const change of fresh) {
        const events = planned.get(change.id);
        if (events) entries.push(...entriesOf(changeOf(change, windowMs, plans[0]!.clockOffset), events));
      }
      count += entries.length;
      deliveries.take(agent, entries, last.sequence);
    }
    metrics.planned.inc(count);
    return count;
  }

  /**
   * A backlog is best left in the topic. Receivers that are all slow slow the consumer down; dead ones keep so little in memory that
   * they do not.
   */
  private async waitForRoom(size: number): Promise<void> {
    const { waiting, deliveries, capacity } = this.options;
    const startedAt = performance.now();
    const waited = (): number => performance.now() - startedAt;
    while (waiting() > READY && waited() < MAX_READY_WAIT_MS) await waitBackoff(1, ROOM_POLL);
    const enough = Math.min(size, capacity / 2);
    while (capacity - deliveries.held < enough && waited() < MAX_ROOM_WAIT_MS) await waitBackoff(1, ROOM_POLL);
  }
}

/** Takes over what was read of an agent, but where its work has gone on meanwhile: its own knowledge is newer. */
function load(agent: AgentWork, read: PlannedAgent | undefined): void {
  if (agent.cursor !== undefined || !read) return;
  agent.cursor = read.cursor;
  agent.taken = read.cursor;
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

function entriesOf(change: Change, agentEventIds: readonly number[]): EntryWork[] {
  return agentEventIds.map((agentEventId) => ({ sequence: change.sequence, agentEventId, change, state: 'waiting' }));
}

function groupByAgent(changes: readonly StatusChange[]): Map<string, StatusChange[]> {
  const byAgent = new Map<string, StatusChange[]>();
  for (const change of changes) {
    const key = partitionKey(change);
    const of = byAgent.get(key);
    if (of) of.push(change);
    else byAgent.set(key, [change]);
  }
  return byAgent;
}

function plannedOf(changes: readonly StatusChange[], agents: ReadonlyMap<string, AgentWork>): Planned {
  const passedOver: StatusChange[] = [];
  const newest = new Map<AgentWork, number>();
  for (const change of changes) {
    const agent = agents.get(partitionKey(change));
    if (!agent) passedOver.push(change);
    // One that the log does not have is not waited for: nothing of it was taken.
    else if (change.sequence <= agent.taken) newest.set(agent, Math.max(newest.get(agent) ?? 0, change.sequence));
  }
  return { recorded: Promise.all([...newest].map(([agent, sequence]) => agent.recorded(sequence))), passedOver };
}
