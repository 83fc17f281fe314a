import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { migrate } from '#database';
import { LocalKafka } from '../../tools/kafka/local-kafka.js';
import { RestClient } from '../support/client.js';
import { Cluster } from '../support/cluster.js';
import { FailoverPostgres } from '../support/failover-postgres.js';
import { KafkaTap } from '../support/kafka-tap.js';
import { eventually } from '../support/poll.js';
import { check, type Repeat, type Report, type Subscriber } from './checker.js';
import { FAULTS, type World } from './faults.js';
import { CLIENT_ID, Load } from './load.js';
import { Random } from './random.js';
import { ChaosReceivers, HABITS } from './receivers.js';

export interface ChaosOptions {
  readonly seed: number;
  readonly agents: number;
  /** How long faults and load go on, in milliseconds, and until every fault has hit once. */
  readonly durationMs: number;
  /** Faults that hit, in this order at first; all of them unless said. */
  readonly faults?: readonly string[];
  readonly freezeMs: number;
  /** Between two rounds of changes, in milliseconds. */
  readonly pauseMs: number;
  /** Breaks a guarantee on purpose, to show that the checker sees it: says of changes that they are dealt with. */
  readonly sabotage?: boolean;
  /** How long everything may take to arrive once all is well again, in milliseconds. */
  readonly settleMs: number;
  readonly say: (line: string) => void;
}

/** A fault that hit. */
interface Hit {
  readonly name: string;
  /** In milliseconds since the epoch. */
  readonly at: number;
}

/** What was found, and by fault how often it hit, and how many repeats came of it. */
export interface ChaosReport extends Report {
  readonly faults: Readonly<Record<string, { readonly hits: number; readonly repeats: number }>>;
}

/** What was acknowledged so shortly before a fault that it is not recorded yet is repeated by that fault, in milliseconds. */
const UNRECORDED_MS = 1000;

/** Every so many agents one has a second agent event of each type at the same url. */
const WITH_SIBLING = 5;

/**
 * Runs two instances each of presence and dispatcher on a Kafka and a PostgreSQL of their own, under load and faults, lets
 * everything settle, and holds what the receivers got against what was accepted: contract §7.
 */
export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const { say } = options;
  say(`chaos: seed ${options.seed}, ${options.agents} agents, ${options.durationMs / 1000} s`);
  const stops: (() => Promise<void>)[] = [];
  try {
    const random = new Random(options.seed);
    const directory = await mkdtemp(join(tmpdir(), 'rollcall-chaos-'));
    await chmod(directory, 0o755); // the database server may run as another user
    stops.push(() => rm(directory, { recursive: true, force: true }));
    const kafka = await LocalKafka.start();
    stops.push(() => kafka.stop());
    const postgres = await FailoverPostgres.start(directory);
    stops.push(() => postgres.stop());
    await migrate(postgres.url);
    const receivers = await ChaosReceivers.start(random);
    stops.push(() => receivers.stop());
    const cluster = await Cluster.startOn(postgres.url, kafka.brokers, {
      DELIVERY_RETRY_SCHEDULE: Array<string>(200).fill('500ms').join(','),
      DELIVERY_TIMEOUT: '2s',
      AGENT_EVENT_LIMIT: '1000000',
      RATE_LIMIT: 'off',
      LOG_LEVEL: 'warn',
    });
    stops.push(() => cluster.stop());
    for (const service of ['presence', 'dispatcher'] as const) await cluster.add(service);
    const tap = new KafkaTap(kafka.brokers);
    stops.push(() => tap.close());

    const load = new Load(
      options.agents,
      tap,
      () => ({ ...cluster.urls, presence: random.pick(cluster.running('presence')).url }),
      random,
    );
    const subscribers = await subscribe(cluster, load, receivers);
    say(`chaos: ${subscribers.length} lanes`);
    const world = { cluster, kafka, postgres, tap, receivers, random, freezeMs: options.freezeMs };
    const hits = await unleash(world, load, options);
    if (options.sabotage) await callDone(world, load, options.agents);

    receivers.behave();
    say('chaos: all is well again');
    const settlingSince = Date.now();
    const changes = new Map(load.accepted.map(({ agentId, changes: count }) => [agentId, count]));
    const expected = subscribers.reduce((sum, { agentId, agentEvents = 1 }) => sum + changes.get(agentId)! * agentEvents, 0);
    await eventually('everything arrived', () => receivers.delivered >= expected, options.settleMs).catch(() => {
      say('chaos: not everything arrived in time');
    });
    say(`chaos: settled after ${((Date.now() - settlingSince) / 1000).toFixed(1)} s`);
    await delay(1000); // what must not come gets a moment to come
    const report = check(load.accepted, subscribers, receivers.records);
    return { ...report, faults: byFault(hits, report.repeats) };
  } finally {
    for (const stop of stops.reverse()) await stop();
  }
}

/** Every agent gets one receiver's URL for login and logout, so that all its changes are one lane. */
async function subscribe(cluster: Cluster, load: Load, receivers: ChaosReceivers): Promise<Subscriber[]> {
  const demo = await RestClient.create(cluster.urls, 'demo', 'demo-secret');
  const base = `/client/${CLIENT_ID}/agent/local`;
  const one = async (agentId: number): Promise<Subscriber> => {
    const habit = HABITS[agentId % HABITS.length]!;
    const agentEvents = agentId % WITH_SIBLING === 0 ? 2 : 1;
    await demo.api('PUT', `${base}/${agentId}`, { extension_name: `${agentId}@example.org` });
    for (const event_type of Array<string[]>(agentEvents).fill(['agent-login', 'agent-logout']).flat()) {
      const body = { url: receivers.urlOf(habit), event_type, method: agentId % 2 === 0 ? 'GET' : 'POST' };
      const answer = await demo.api('POST', `${base}/${agentId}/event/`, body);
      if (answer.status !== 201) throw new Error(`agent event: ${answer.status} ${answer.text}`);
    }
    return { path: `/${habit}`, agentId, agentEvents };
  };
  const subscribers: Subscriber[] = [];
  for (let from = 0; from < load.agentIds.length; from += 20) {
    subscribers.push(...(await Promise.all(load.agentIds.slice(from, from + 20).map(one))));
  }
  return subscribers;
}

/** Says of each repeat which fault it came of: the last that had hit, or was about to, when its delivery was acknowledged. */
function byFault(hits: readonly Hit[], repeats: readonly Repeat[]): ChaosReport['faults'] {
  const counts: Record<string, { hits: number; repeats: number }> = {};
  const of = (name: string): { hits: number; repeats: number } => (counts[name] ??= { hits: 0, repeats: 0 });
  for (const { name } of hits) of(name).hits += 1;
  for (const { acknowledgedAt, wasAnswerLost } of repeats) {
    const hit = hits.findLast(({ at }) => at <= acknowledgedAt + UNRECORDED_MS)?.name ?? 'no fault';
    of(wasAnswerLost ? 'answer that came too late' : hit).repeats += 1;
  }
  return counts;
}

/** @returns the faults that hit, in turn */
async function unleash(world: World, load: Load, options: ChaosOptions): Promise<Hit[]> {
  const names = options.faults ?? Object.keys(FAULTS);
  const hits: Hit[] = [];
  const end = Date.now() + options.durationMs;
  let over = false;
  const loading = (async () => {
    while (!over) {
      // Several rounds at once, so that a round that waits for a broken instance does not stop the load.
      await Promise.race([Promise.all([load.round(60), load.round(60)]), delay(30_000)]);
      await delay(options.pauseMs);
    }
  })();
  const faulting = (async () => {
    try {
      for (let nth = 0; nth < names.length || Date.now() < end; nth++) {
        const name = nth < names.length ? names[nth]! : world.random.pick(names);
        const startedAt = Date.now();
        hits.push({ name, at: startedAt });
        await FAULTS[name]!(world);
        options.say(`chaos: ${name}: over after ${((Date.now() - startedAt) / 1000).toFixed(1)} s`);
        await delay(world.random.below(3000));
      }
    } finally {
      over = true;
    }
  })();
  await Promise.all([loading, faulting]);
  await load.settled();
  return hits;
}

/** What recording a change before planning its deliveries does when the process dies in between: nobody looks at it again. */
async function callDone({ cluster, postgres }: World, load: Load, agents: number): Promise<void> {
  const dispatchers = cluster.of('dispatcher');
  await Promise.all(dispatchers.map(({ process }) => process.stop('SIGTERM')));
  await load.round(agents);
  const database = new pg.Client({ connectionString: postgres.url });
  await database.connect();
  try {
    await eventually(
      'the changes in the log',
      async () => {
        const { rows } = await database.query<{ changes: string }>('select sum(sequence) as changes from presence.agent');
        return Number(rows[0]!.changes) >= load.accepted.reduce((sum, { changes }) => sum + changes, 0);
      },
      60_000,
    );
    await database.query(
      `insert into dispatch.agent_cursor (client_id, agent_id, last_sequence)
       select client_id, agent_id, sequence from presence.agent
       on conflict (client_id, agent_id) do update set last_sequence = excluded.last_sequence, version = agent_cursor.version + 1`,
    );
  } finally {
    await database.end();
  }
  for (const dispatcher of dispatchers) await cluster.restart(dispatcher);
}
