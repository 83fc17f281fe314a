import { setTimeout as delay } from 'node:timers/promises';
import { freePorts } from '../../test/support/process.js';
import { ManyAgents } from './many-agents.js';
import { itemOf, NOISY, type Town } from './town.js';

/** What a client does that another one may not feel. */
export interface Noise {
  readonly name: string;
  /** Whether it is about names, which the services look up at a name server of ours. */
  readonly needsNames?: boolean;
  /** Makes what is there before it begins. */
  prepare(town: Town, agents: number): Promise<void>;
  /** Goes on until it is told to stop. @returns what its own calls were answered */
  make(town: Town, stop: AbortSignal): Promise<string>;
  /** Leaves nothing behind that the next one would notice. */
  tidy(town: Town): Promise<void>;
}

const SILENT_HOSTS = 60;
const EVENTS_OF_ONE_AGENT = 10_000;
const AGENTS_AT_ORIGIN = 60;

/** Agents of the noisy client, each used by one noise alone; those of {@link ManyAgents} begin at 1. */
const FIRST = { names: 2_000_001, origin: 2_001_001, events: 2_002_001 };

/** Lets agents of the noisy client come and go, one after the other. */
async function comeAndGo(town: Town, agentIds: readonly number[], everyMs: number, stop: AbortSignal): Promise<void> {
  for (let nth = 0; !stop.aborted; nth++) {
    const agentId = agentIds[nth % agentIds.length]!;
    await town.report([itemOf(NOISY, agentId, Math.floor(nth / agentIds.length) % 2 === 0)]);
    await delay(everyMs, undefined, { signal: stop }).catch(() => undefined);
  }
}

/** Agents, and agent events of both types for each of some urls. */
async function subscribe(town: Town, agentIds: readonly number[], urls: readonly string[]): Promise<void> {
  for (const agentId of agentIds) {
    await town.asNoisy('PUT', `/agent/local/${agentId}`, { extension_name: `${agentId}@example.org` });
    for (const url of urls) {
      for (const event_type of ['agent-login', 'agent-logout']) {
        await town.asNoisy('POST', `/agent/local/${agentId}/event/`, { url, event_type, method: 'POST' });
      }
    }
  }
}

async function unsubscribe(town: Town, agentIds: readonly number[]): Promise<void> {
  for (const agentId of agentIds) await town.asNoisy('DELETE', `/agent/local/${agentId}/event/`);
}

/** A call of the noisy client is answered within this time, however many agents it has; in milliseconds. */
const ANSWER_MS = 1000;

/** @returns the answer, and how long the call took in words @throws where it took too long */
async function timed<T>(call: Promise<T>): Promise<readonly [answer: T, words: string]> {
  const startedAt = performance.now();
  const answer = await call;
  const took = Math.round(performance.now() - startedAt);
  if (took > ANSWER_MS) throw new Error(`answered in ${took} ms, more than ${ANSWER_MS}`);
  return [answer, `answered in ${took} ms`];
}

const until = (stop: AbortSignal): Promise<unknown> =>
  stop.aborted ? Promise.resolve() : new Promise((resolve) => stop.addEventListener('abort', resolve, { once: true }));

const silentNames: Noise = {
  name: `names: ${SILENT_HOSTS} hosts whose name server is silent`,
  needsNames: true,
  async prepare(town) {
    const hosts = Array.from({ length: SILENT_HOSTS }, (_, nth) => `silent-${nth}.test`);
    for (const host of hosts) town.names!.set(host, () => undefined);
    await subscribe(
      town,
      [FIRST.names],
      hosts.map((host) => `http://${host}/`),
    );
  },
  async make(town, stop) {
    await comeAndGo(town, [FIRST.names], 1000, stop);
    return '';
  },
  tidy: (town) => unsubscribe(town, [FIRST.names]),
};

let many: ManyAgents | undefined;
/** Made once, for the two noises that need them. */
const manyAgents = async (town: Town, agents: number): Promise<ManyAgents> => (many ??= await ManyAgents.create(town, agents));

let replayPath = '';
const replay: Noise = {
  name: 'replay: everything of an agent event of many agents',
  async prepare(town, agents) {
    const { loginEvent } = await manyAgents(town, agents);
    replayPath = `/agent_events/${loginEvent}/replay`;
  },
  async make(town, stop) {
    const since = new Date(Date.now() - 3_600_000).toISOString();
    const [{ id, total }, words] = await timed(town.asNoisy<{ id: number; total: number }>('POST', replayPath, { since }));
    await until(stop);
    const [job] = await timed(town.asNoisy<{ delivered: number; queued: number }>('GET', `${replayPath}/${id}`));
    const [, cancelled] = await timed(town.asNoisy('DELETE', `${replayPath}/${id}`));
    return `a replay of ${total}: POST ${words}, ${job.delivered} delivered meanwhile, DELETE ${cancelled}`;
  },
  tidy: () => Promise.resolve(),
};

const putUrl: Noise = {
  name: 'put: the url of an agent event that many agents wait for',
  async prepare(town, agents) {
    const [port] = await freePorts(1);
    await (await manyAgents(town, agents)).logOutTo(`http://127.0.0.1:${port}/`);
  },
  async make(town, stop) {
    const { logoutEvent } = many!;
    const before = await many!.waiting();
    const put = town.asNoisy('PUT', `/agent_events/${logoutEvent}`, { url: `${town.noisyReceivers.origins[1]}/` });
    const [, words] = await timed(put);
    await until(stop);
    return `PUT with ${before} waiting ${words}, ${await many!.waiting()} left`;
  },
  tidy: (town) => town.asNoisy('DELETE', `/agent_events/${many!.logoutEvent}`),
};

const sharedOrigin: Noise = {
  name: 'origin: the same one, where the path of the noisy one answers 503',
  async prepare(town) {
    const sick = '/noisy';
    town.receiver.answer(({ url }, response) => response.writeHead(url.startsWith(sick) ? 503 : 200).end());
    await subscribe(town, agentsAtOrigin(), [town.urlOf(sick)]);
  },
  async make(town, stop) {
    await comeAndGo(town, agentsAtOrigin(), 50, stop);
    return '';
  },
  async tidy(town) {
    await unsubscribe(town, agentsAtOrigin());
    town.receiver.answer((_request, response) => response.writeHead(200).end('ok'));
  },
};

const agentsAtOrigin = (): number[] => Array.from({ length: AGENTS_AT_ORIGIN }, (_, nth) => FIRST.origin + nth);

const manyEvents: Noise = {
  name: `events: ${EVENTS_OF_ONE_AGENT} agent events of one agent`,
  async prepare(town) {
    await town.asNoisy('PUT', `/agent/local/${FIRST.events}`, { extension_name: `${FIRST.events}@example.org` });
    await town.pool.query(
      `with added as (
         insert into subscription.agent_event (client_id, application_id, agent_id, agent_type, url, method, event_type)
         select $1, (select min(id) from access.application where client_id = $1), $2, 'local', $3 || n, 'POST', 'agent-login'
         from generate_series(1, $4) n
         returning client_id)
       insert into subscription.client_usage as u (client_id, agent_event_used) select client_id, count(*) from added group by client_id
       on conflict (client_id) do update set agent_event_used = u.agent_event_used + excluded.agent_event_used`,
      [NOISY, FIRST.events, `${town.noisyReceivers.origins[0]}/`, EVENTS_OF_ONE_AGENT],
    );
  },
  async make(town, stop) {
    await comeAndGo(town, [FIRST.events], 2500, stop);
    return '';
  },
  async tidy(town) {
    await unsubscribe(town, [FIRST.events]);
  },
};

export const NOISES: readonly Noise[] = [silentNames, sharedOrigin, manyEvents, replay, putUrl];
