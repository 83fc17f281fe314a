import type { StatusChange } from '#contracts';
import type { Pool } from '#database';
import { waitBackoff, type Logger } from '#runtime';
import { noteFanOut } from '#tracing';
import type { BatchedCache } from '../attempt/batched-cache.js';
import type { Endpoint } from '../attempt/delivery.js';
import { changeOf, type AgentWork } from '../lanes/agent-work.js';
import type { Deliveries } from '../lanes/deliveries.js';
import type { DispatcherMetrics } from '../metrics.js';
import { readGaps } from './change-log.repository.js';
import { readPlan } from './plan.repository.js';
import { entriesOf, eventsByChange } from './planned-entries.js';

export interface FanOutsOptions {
  readonly pool: Pool;
  readonly windowMs: number;
  readonly deliveries: Deliveries;
  readonly endpoints: BatchedCache<Endpoint | undefined>;
  readonly metrics: DispatcherMetrics;
  readonly logger: Logger;
}

/** Deliveries of one change that are planned by one statement. */
const PAGE = 1000;
/** An agent has its next turn when no more than this of what it was given is not answered, or not recorded, yet. */
const ROOM = PAGE / 2;
const ROOM_POLL = { firstMs: 20, maxMs: 20 };
const AGAIN = { firstMs: 100, maxMs: 2000 };

/** An agent's changes that are planned page by page. */
interface Queue {
  /** By sequence. */
  changes: StatusChange[];
  /** Of the first change, agent events up to this one are planned. */
  after: number;
  /** How many are. */
  planned: number;
  /** When the planning of the first change began, in milliseconds of `performance.now()`. */
  startedAt: number;
  /** What the topic lacks is taken from the log up to here. */
  filledTo: number;
  waiters: { readonly sequence: number; readonly resolve: () => void; readonly reject: (reason: Error) => void }[];
}

/**
 * Plans changes of agents with more agent events than one statement reads: page by page, agents in turn, beside everybody else's.
 * What is answered of a page is recorded ahead of the cursor and makes room for the next, so memory holds one page or two, and no
 * statement takes longer because one agent has many. The cursor moves on with the last page.
 */
export class FanOuts {
  private readonly queues = new Map<AgentWork, Queue>();
  private running = false;

  constructor(private readonly options: FanOutsOptions) {}

  /** Tells whether an agent's changes are planned here: later ones come after them. */
  has(agent: AgentWork): boolean {
    return this.queues.has(agent);
  }

  /** Takes an agent's changes. @returns when they are planned and recorded; rejects when that will not be */
  async add(agent: AgentWork, changes: readonly StatusChange[]): Promise<void> {
    let queue = this.queues.get(agent);
    if (!queue) {
      agent.pins += 1;
      this.queues.set(agent, (queue = { changes: [], after: 0, planned: 0, startedAt: 0, filledTo: 0, waiters: [] }));
    }
    insert(queue, changes);
    const sequence = Math.max(...changes.map((change) => change.sequence));
    const planned = new Promise<void>((resolve, reject) => queue.waiters.push({ sequence, resolve, reject }));
    if (!this.running) void this.run();
    await planned;
    await agent.recorded(Math.min(sequence, agent.taken));
  }

  private async run(): Promise<void> {
    this.running = true;
    for (let failures = 0; this.queues.size > 0;) {
      const turn = [...this.queues].find(([agent]) => isOver(agent) || agent.table.pendingCount <= ROOM);
      if (!turn) {
        await waitBackoff(1, ROOM_POLL);
        continue;
      }
      const [agent, queue] = turn;
      this.queues.delete(agent); // to the end
      this.queues.set(agent, queue);
      try {
        await this.step(agent, queue);
        failures = 0;
      } catch (error) {
        failures += 1;
        this.options.logger.warn({ err: error, agent: agent.key }, 'fan_out.page_not_planned');
        await waitBackoff(failures, AGAIN);
      }
    }
    this.running = false;
  }

  private async step(agent: AgentWork, queue: Queue): Promise<void> {
    if (isOver(agent)) {
      const reason = new Error(`agent ${agent.key} is not this instance's any more`);
      for (const { reject } of queue.waiters) reject(reason);
      return this.forget(agent);
    }
    const [change] = queue.changes;
    if (!change) return this.forget(agent);
    if (change.sequence <= agent.taken) this.next(agent, queue);
    else if (change.sequence > agent.taken + 1 && queue.filledTo < change.sequence) await this.fill(agent, queue, change);
    else await this.page(agent, queue, change);
  }

  private async fill(agent: AgentWork, queue: Queue, { sequence, clientId, agentId }: StatusChange): Promise<void> {
    const { pool, windowMs, metrics } = this.options;
    const filled = await readGaps(pool, [{ clientId, agentId, after: agent.taken, before: sequence }], windowMs);
    queue.filledTo = sequence;
    insert(queue, filled);
    metrics.filled.inc(filled.length);
    const missing = sequence - agent.taken - 1 - filled.length;
    if (missing > 0) metrics.gaps.inc(missing);
  }

  private async page(agent: AgentWork, queue: Queue, change: StatusChange): Promise<void> {
    const { pool, windowMs, endpoints, deliveries, metrics, logger } = this.options;
    if (queue.after === 0) queue.startedAt = performance.now();
    const plan = await readPlan(pool, [change], { after: queue.after, limit: PAGE });
    if (isOver(agent)) return;
    if (queue.after === 0 && !plan.logged.has(change.id)) {
      logger.warn({ changes: 1 }, 'intake.changes_not_in_the_log');
      metrics.unknown.inc();
      return this.next(agent, queue);
    }
    const events = eventsByChange([plan], endpoints).get(change.id) ?? [];
    metrics.planned.inc(events.length);
    queue.planned += events.length;
    deliveries.take(
      agent,
      entriesOf(changeOf(change, windowMs, plan.clockOffset), events),
      plan.end ? agent.taken : change.sequence,
    );
    if (plan.end) queue.after = plan.end.agentEventId;
    else {
      metrics.changes.inc();
      noteFanOut(change, queue.startedAt, queue.planned);
      this.next(agent, queue);
    }
  }

  /** The first change is done with. */
  private next(agent: AgentWork, queue: Queue): void {
    queue.changes.shift();
    queue.after = 0;
    queue.planned = 0;
    const [change] = queue.changes;
    queue.waiters = queue.waiters.filter(({ sequence, resolve }) => {
      const isPlanned = !change || sequence < change.sequence;
      if (isPlanned) resolve();
      return !isPlanned;
    });
    if (!change) this.forget(agent);
  }

  private forget(agent: AgentWork): void {
    this.queues.delete(agent);
    this.options.deliveries.unpin(agent);
  }
}

/** The first change stays the first while its pages are planned. */
function insert(queue: Queue, changes: readonly StatusChange[]): void {
  const bySequence = new Map([...queue.changes, ...changes].map((change) => [change.sequence, change]));
  queue.changes = [...bySequence.values()].sort((one, other) => one.sequence - other.sequence);
}

function isOver(agent: AgentWork): boolean {
  return agent.isOver || agent.lease.ending;
}
