import type { Pool } from '#database';
import { uuidv7 } from 'uuidv7';
import { parseTelemetry } from '#contracts';
import type { Logger } from '#runtime';
import type { AgentState } from '../decision/presence-decision.js';
import { compareAndSet, readStates, type AgentWrite, type CommittedChange, type Outcome } from '../log/presence.repository.js';
import type { PresenceMetrics } from '../metrics.js';
import { decideWork, groupByAgent, type AgentWork, type Slot, type TelemetryResult } from './agent-work.js';
import { MicroBatcher } from './micro-batcher.js';
import { StateMemory } from './state-memory.js';

/** Most items of a statement, unless one request or partition brings more. */
const MAX_BATCH_ITEMS = 2000;
/** While the database works on one batch, Node prepares the other; more would only make agents meet themselves. */
const MAX_BATCHES_IN_FLIGHT = 2;
/** Agents of a batch that are decided from memory first: with so few, another statement costs more than it finds out. */
const MAX_GUESSED = 128;
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
  readonly guess?: AgentState | undefined;
}

/** The one path of telemetry, over HTTP and Kafka alike: contract §4. */
export class TelemetryService {
  private readonly memory = new StateMemory();
  private readonly batcher = new MicroBatcher<Job>((jobs) => this.runBatch(jobs), MAX_BATCH_ITEMS, MAX_BATCHES_IN_FLIGHT);

  constructor(private readonly options: TelemetryServiceOptions) {}

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
    for (let open: readonly Open[] = this.withWhatIsRemembered(agents); open.length > 0; rounds++) {
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

  /** A large batch shares its read among many, and is mostly of repeats, which have to be read all the same. */
  private withWhatIsRemembered(agents: readonly AgentWork[]): Open[] {
    if (agents.length > MAX_GUESSED) return agents.map((agent) => ({ agent }));
    return agents.map((agent) => ({ agent, guess: this.memory.recall(agent) }));
  }

  /**
   * One round: decide, and write where there is something to write. What would be written from an outdated guess is lost to
   * whoever made it so, as in any race; what would not be written is believed only of a state that was just read.
   */
  private async decideAndWrite(open: readonly Open[]): Promise<{ lost: Open[]; changes: number }> {
    const { pool, relay, metrics } = this.options;
    const writes: AgentWrite[] = [];
    const writers: AgentWork[] = [];
    const decideFrom = (agent: AgentWork, state: AgentState | undefined): boolean => {
      const write = decideWork(agent, state, uuidv7);
      if (write === undefined) return false;
      writes.push(write);
      writers.push(agent);
      return true;
    };
    const unread = open.filter(({ agent, guess }) => guess === undefined || !decideFrom(agent, guess)).map(({ agent }) => agent);
    if (unread.length > 0) {
      const states = await metrics.time('read_states', () => readStates(pool, unread));
      unread.forEach((agent, index) => decideFrom(agent, states[index]));
    }
    if (writes.length === 0) return { lost: [], changes: 0 };
    const { lost, committed } = await metrics.time('compare_and_set', () => this.write(writes, relay.ownShards()));
    if (committed.length > 0) relay.hand(committed);
    let changes = 0;
    writes.forEach((write, index) => {
      if (lost.has(index)) return;
      this.memory.keep(write, write.after);
      changes += write.changes.length;
    });
    return { lost: [...lost].map(([index, guess]) => ({ agent: writers[index]!, guess })), changes };
  }

  private async write(writes: readonly AgentWrite[], ownShards: readonly number[]): Promise<Outcome> {
    try {
      return await compareAndSet(this.options.pool, writes, ownShards);
    } catch (error) {
      // Deadlock, which the order of locks rules out among us but not with an operator's own statement: all of it lost.
      if ((error as { code?: string }).code === '40P01')
        return { lost: new Map(writes.map((_, index) => [index, undefined])), committed: [] };
      throw error;
    }
  }
}
