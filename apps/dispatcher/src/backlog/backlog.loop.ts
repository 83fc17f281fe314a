import { partitionKey } from '#contracts';
import type { Pool } from '#database';
import { groupBy, Loop, type Logger } from '#runtime';
import { targetOf } from '#webhook';
import type { AgentWork } from '../lanes/agent-work.js';
import type { Deliveries } from '../lanes/deliveries.js';
import type { ShardLeases } from '../lanes/shard-leases.js';
import {
  bringForward,
  FIRST_PLACE,
  readBehind,
  readDue,
  wakeOrphans,
  type BehindRow,
  type DuePlace,
} from './behind.repository.js';

export interface BacklogLoopOptions {
  readonly pool: Pool;
  readonly leases: ShardLeases;
  readonly deliveries: Deliveries;
  readonly windowMs: number;
  /** Most rows in hand. */
  readonly capacity: number;
  readonly logger: Logger;
}

/** Rows that are read by one statement. */
const PAGE = 500;
/** How often what is due is looked for while nothing is known to be, in milliseconds. */
const POLL_MS = 1000;
/** Least time between two reads of what is due, in milliseconds. */
const MIN_POLL_MS = 20;
const BACKOFF = { firstMs: 100, maxMs: POLL_MS };
/** Part of the rows in hand that one client may have: one in so many. */
const CLIENT_PART = 4;
/** Agent events that are left out of one read at most, so that it stays small; others are read and refused again. */
const MAX_PAUSED = 5000;
/** What waits for an origin that answers again is brought forward so many rows at a time, so often, in milliseconds. */
const FORWARD = { rows: 500, everyMs: 1000 };
/** Origins that are remembered as failing, and agent events of each; of others what waits comes by the schedule. */
const MAX_ORIGINS = 10_000;
const MAX_STRUGGLING = 10_000;
const ORPHANS_MS = 15_000;
const MAX_ORPHANS = 1000;

/** Works off what is behind and due, for the agents whose shards are this instance's, in the order of their lanes. */
export class BacklogLoop {
  /** By agent event: nothing of it is looked at until then, in milliseconds of `performance.now()`. */
  private readonly paused = new Map<number, number>();
  /** By client and origin: agent events that have failed there, or were not let through. */
  private readonly struggling = new Map<string, Set<number>>();
  /** Those of {@link struggling} that answer again. */
  private readonly recovered = new Set<string>();
  /** Agents whose rows were written since the last read began. */
  private readonly touched = new Set<string>();
  private after: DuePlace = FIRST_PLACE;
  private readonly loop: Loop;
  private forwardedAt = 0;
  private orphansAt = 0;

  constructor(private readonly options: BacklogLoopOptions) {
    this.loop = new Loop({
      step: () => this.step(),
      onError: (error) => options.logger.warn({ err: error }, 'backlog.step_failed'),
      backoff: BACKOFF,
      minMs: MIN_POLL_MS,
    });
  }

  start(): void {
    this.loop.start();
  }

  /** Looks for what is due after this delay at the latest, in milliseconds. */
  wakeIn(delayMs: number): void {
    this.loop.wakeIn(delayMs);
  }

  /** Ends the pause of an agent event, or of all: a command made its rows due. */
  woken(agentEventId: number | undefined): void {
    if (agentEventId === undefined) this.paused.clear();
    else this.paused.delete(agentEventId);
    this.wakeIn(0);
  }

  /** Notes that rows of an agent were written: what was read of it before is outdated. */
  touch(agent: AgentWork): void {
    this.touched.add(agent.key);
  }

  /** Pauses an agent event whose delivery was not let through, for a while, in milliseconds. */
  pause(clientId: number, agentEventId: number, url: string, delayMs: number): void {
    this.paused.set(agentEventId, performance.now() + delayMs);
    this.struggle(clientId, agentEventId, url);
    this.wakeIn(delayMs);
  }

  /** Notes the result of an agent event's delivery: answered 2xx, or failed. */
  answered(clientId: number, agentEventId: number, url: string, isDelivered: boolean): void {
    if (!isDelivered) return this.struggle(clientId, agentEventId, url);
    if (this.struggling.size === 0) return;
    const origin = originOf(clientId, url);
    if (!this.struggling.has(origin)) return;
    this.recovered.add(origin);
    this.wakeIn(0);
  }

  stop(): Promise<void> {
    return this.loop.stop();
  }

  private struggle(clientId: number, agentEventId: number, url: string): void {
    const origin = originOf(clientId, url);
    let events = this.struggling.get(origin);
    if (!events) {
      this.struggling.set(origin, (events = new Set()));
      const [oldest] = this.struggling.keys();
      if (this.struggling.size > MAX_ORIGINS) this.struggling.delete(oldest!);
    }
    if (events.size < MAX_STRUGGLING) events.add(agentEventId);
  }

  /** @returns how long nothing is known to be due, in milliseconds */
  private async step(): Promise<number> {
    const { pool, leases, deliveries, capacity, windowMs } = this.options;
    const shards = leases.held.map(({ shard }) => shard);
    if (shards.length === 0 || leases.base === 0) return POLL_MS;
    await this.forward(shards);
    await this.wakeOrphans(shards);
    if (deliveries.rowsInHand >= capacity) return POLL_MS;
    const { rows: due, last } = await readDue(pool, {
      base: leases.base,
      shards,
      paused: this.pausedNow(),
      busyClients: deliveries.clientsWithRows(capacity / CLIENT_PART),
      after: this.after,
      limit: PAGE,
    });
    this.after = last ?? FIRST_PLACE;
    // What is under way stays due until its result is written, and is met again by each pass. What waits in hand is read
    // again: its agent event may have been changed, and it goes elsewhere then.
    const missing = due.filter((row) => !deliveries.isUnderWay(row));
    if (missing.length > 0) {
      this.touched.clear();
      const { rows, readAt } = await readBehind(pool, missing, windowMs);
      for (const of of groupBy(rows, partitionKey).values()) this.take(of, readAt);
    }
    return last ? 0 : POLL_MS;
  }

  private take(rows: readonly BehindRow[], readAt: number): void {
    const { clientId, agentId, hash } = rows[0]!;
    if (this.touched.has(`${clientId}:${agentId}`)) return this.wakeIn(MIN_POLL_MS);
    const { deliveries } = this.options;
    const agent = deliveries.pin({ clientId, agentId }, hash);
    if (!agent) return;
    deliveries.takeRows(agent, rows, readAt);
    deliveries.unpin(agent);
  }

  private pausedNow(): number[] {
    const now = performance.now();
    for (const [id, until] of this.paused) if (until <= now) this.paused.delete(id);
    return [...this.paused.keys()].slice(0, MAX_PAUSED);
  }

  /** What waits for an origin that answers again comes now, in bounded steps, so that it is no wave. */
  private async forward(shards: readonly number[]): Promise<void> {
    const now = performance.now();
    if (this.recovered.size === 0) return;
    if (now - this.forwardedAt < FORWARD.everyMs) return this.wakeIn(FORWARD.everyMs - (now - this.forwardedAt));
    this.forwardedAt = now;
    for (const origin of this.recovered) {
      const events = [...(this.struggling.get(origin) ?? [])];
      for (const id of events) this.paused.delete(id);
      const brought = await bringForward(this.options.pool, events, this.options.leases.base, shards, FORWARD.rows);
      if (brought < FORWARD.rows) {
        this.recovered.delete(origin);
        this.struggling.delete(origin);
      }
    }
    if (this.recovered.size > 0) this.wakeIn(FORWARD.everyMs);
  }

  private async wakeOrphans(shards: readonly number[]): Promise<void> {
    const now = performance.now();
    if (now - this.orphansAt < ORPHANS_MS) return;
    this.orphansAt = now;
    const woken = await wakeOrphans(this.options.pool, this.options.leases.base, shards, MAX_ORPHANS);
    if (woken > 0) this.options.logger.info({ rows: woken }, 'backlog.woken');
  }
}

function originOf(clientId: number, url: string): string {
  return `${clientId} ${URL.canParse(url) ? targetOf(url).origin : url}`;
}
