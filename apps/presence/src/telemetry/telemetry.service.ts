import type { Pool } from '#database';
import { uuidv7 } from 'uuidv7';
import { parseTelemetry } from '#contracts';
import type { Logger } from '#runtime';
import type { AgentState } from '../decision/presence-decision.js';
import { compareAndSet, readStates, type AgentWrite, type CommittedChange, type Outcome } from '../log/presence.repository.js';
import type { PresenceMetrics } from '../metrics.js';
import { decideWork, groupByAgent, type AgentWork, type Slot, type TelemetryResult } from './agent-work.js';
import { MicroBatcher } from './micro-batcher.js';
import { RecentWrites } from './recent-writes.js';
import { StateMemory } from './state-memory.js';

/** Most items of a statement, unless one request or partition brings more. */
const MAX_BATCH_ITEMS = 2000;
/** While the database works on one batch, Node prepares the other; more would only make agents meet themselves. */
const MAX_BATCHES_IN_FLIGHT = 2;
/** Beyond this many waiting items, requests are told to come back. */
const MAX_WAITING_ITEMS = 50_000;
/** Rounds in which an agent may lose to another writer. Somebody wins every round, so this is never met in practice. */
const MAX_ROUNDS = 50;

/** What the service tells the relay of this process. */
export interface ChangeListener {
  /** Shards that this process publishes itself, so that it need not be notified through the database. */
  ownShards(): readonly number[];
  /** These were committed, in shards that this process publishes itself; those of an agent in sequence. */
  hand(changes: readonly CommittedChange[]): void;
}

export interface TelemetryServiceOptions {
  readonly pool: Pool;
  readonly relay: ChangeListener;
  readonly metrics: PresenceMetrics;
  readonly logger: Logger;
}

/** Why an item could not be decided: too many others write the same agent. Nothing of it was answered; it may be sent again. */
export class ContentionError extends Error {
  override readonly name = 'ContentionError';
}

/** The items of one request, or of one partition's batch; they stay together, so they stay in order. */
interface Job {
  readonly slots: readonly Slot[];
  readonly size: number;
}

/** What is not settled yet. */
interface Open {
  readonly agent: AgentWork;
  /** What the agent was when this process last heard of it. */
  readonly guess: AgentState | undefined;
}

/** Items that would change nothing, if the guess still holds. */
interface Repeat extends Open {
  readonly guess: AgentState;
}

/** An agent's items, and what is to be written for them. */
interface Decided {
  readonly agent: AgentWork;
  readonly write: AgentWrite;
}

/** The one path of telemetry, over HTTP and Kafka alike: contract §4. */
export class TelemetryService {
  private readonly memory = new StateMemory();
  private readonly recentWrites: RecentWrites;
  private readonly batcher = new MicroBatcher<Job>((jobs) => this.runBatch(jobs), MAX_BATCH_ITEMS, MAX_BATCHES_IN_FLIGHT);

  constructor(private readonly options: TelemetryServiceOptions) {
    this.recentWrites = new RecentWrites(options.pool, this.memory, options.metrics);
  }

  /** So much waits that a new request had better come later. */
  get isOverloaded(): boolean {
    return this.batcher.backlog > MAX_WAITING_ITEMS;
  }

  /**
   * Applies items in order. Resolves when every change among them is durable.
   *
   * @param values parsed JSON; what is no telemetry item is rejected and spoils nothing else
   * @param now milliseconds since the epoch
   * @param receivedAt when each was received, where that was not now
   * @returns one result an item, in order
   * @throws the database's error, or ContentionError; items may then have been applied, and it does no harm to repeat them
   */
  async apply(values: readonly unknown[], now: number, receivedAt?: readonly number[]): Promise<TelemetryResult[]> {
    const results = new Array<TelemetryResult>(values.length);
    const slots: Slot[] = [];
    for (let index = 0; index < values.length; index++) {
      const parsed = parseTelemetry(values[index], now, receivedAt?.[index]);
      if (parsed.ok) slots.push({ item: parsed.item, results, index });
      else results[index] = { result: 'rejected', errors: parsed.errors };
    }
    if (slots.length > 0) await this.batcher.add({ slots, size: slots.length });
    this.options.metrics.countResults(results);
    return results;
  }

  /** Resolves when everything that was accepted has been settled. */
  drain(): Promise<void> {
    return this.batcher.idle();
  }

  private async runBatch(jobs: readonly Job[]): Promise<void> {
    const startedAt = performance.now();
    const agents = groupByAgent(jobs.length === 1 ? jobs[0]!.slots : jobs.flatMap((job) => job.slots));
    let changes = 0;
    let rounds = 0;
    let open: readonly Open[] = agents.map((agent) => ({ agent, guess: this.memory.recall(agent) }));
    for (; open.length > 0; rounds++) {
      if (rounds === MAX_ROUNDS) throw new ContentionError('too many others report the same agents at this moment');
      const round = await this.decideAndWrite(open);
      open = round.lost;
      changes += round.changes;
    }
    const summary = {
      requests: jobs.length,
      items: jobs.reduce((sum, job) => sum + job.size, 0),
      agents: agents.length,
      changes,
      rounds,
      latency_ms: Math.round(performance.now() - startedAt),
    };
    this.options.logger[changes > 0 ? 'info' : 'debug'](summary, 'telemetry.applied');
  }

  /**
   * One round: decide, and write where there is something to write. What would be written from an outdated guess is lost to
   * whoever made it so, as in any race; what would not be written is believed once we know that nobody else has.
   */
  private async decideAndWrite(open: readonly Open[]): Promise<{ lost: Open[]; changes: number }> {
    const decided: Decided[] = [];
    const repeats: Repeat[] = [];
    const unknown: AgentWork[] = [];
    for (const { agent, guess } of open) {
      const write = guess && decideWork(agent, guess, uuidv7);
      if (write) decided.push({ agent, write });
      else if (guess) repeats.push({ agent, guess });
      else unknown.push(agent);
    }
    if (repeats.length > 0) {
      await this.recentWrites.lookAgain();
      for (const { agent, guess } of repeats) if (!this.memory.isStill(agent, guess)) unknown.push(agent);
    }
    const states = unknown.length > 0 ? await this.read(unknown) : [];
    unknown.forEach((agent, index) => {
      const write = decideWork(agent, states[index], uuidv7);
      if (write) decided.push({ agent, write });
    });
    return decided.length > 0 ? this.write(decided) : { lost: [], changes: 0 };
  }

  private async read(agents: readonly AgentWork[]): Promise<readonly (AgentState | undefined)[]> {
    const asking = this.memory.ask(agents);
    let states: readonly (AgentState | undefined)[] = [];
    try {
      states = await this.options.metrics.time('read_states', () => readStates(this.options.pool, agents));
      return states;
    } finally {
      agents.forEach((agent, index) => this.memory.learn(asking, agent, states[index]));
    }
  }

  private async write(decided: readonly Decided[]): Promise<{ lost: Open[]; changes: number }> {
    const { relay, metrics } = this.options;
    const writes = decided.map(({ write }) => write);
    const asking = this.memory.ask(writes);
    let outcome: Outcome | undefined;
    try {
      outcome = await metrics.time('compare_and_set', () => this.compareAndSet(writes, relay.ownShards()));
    } finally {
      writes.forEach((write, index) => {
        const state = outcome?.lost.has(index) ? outcome.lost.get(index) : outcome && write.after;
        this.memory.learn(asking, write, state);
      });
    }
    const { lost, committed, xid } = outcome;
    if (xid !== undefined) this.recentWrites.passOver(xid);
    if (committed.length > 0) relay.hand(committed);
    const changes = writes.reduce((sum, write, index) => (lost.has(index) ? sum : sum + write.changes.length), 0);
    return { lost: [...lost].map(([index, guess]) => ({ agent: decided[index]!.agent, guess })), changes };
  }

  private async compareAndSet(writes: readonly AgentWrite[], ownShards: readonly number[]): Promise<Outcome> {
    try {
      return await compareAndSet(this.options.pool, writes, ownShards);
    } catch (error) {
      // Deadlock, which the order of locks rules out among us but not with an operator's own statement: all of it lost.
      if ((error as { code?: string }).code === '40P01')
        return { lost: new Map(writes.map((_, index) => [index, undefined])), committed: [], xid: undefined };
      throw error;
    }
  }
}
