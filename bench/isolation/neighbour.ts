import { setTimeout as delay } from 'node:timers/promises';
import { itemOf, QUIET, type Town } from './town.js';
import { latenciesOf, type Latencies } from './verdict.js';

const AGENTS = 20;
const CHANGES_PER_SECOND = 20;
/** Nobody else's notifications go there. */
const QUIET_PATH = '/quiet';
/** How long the last notifications are waited for. */
const PATIENCE_MS = 30_000;

/** The client that has done nothing: a few agents that come and go, and an endpoint that is well. */
export class Neighbour {
  private round = 0;

  private constructor(private readonly town: Town) {}

  static async settle(town: Town): Promise<Neighbour> {
    const url = town.urlOf(QUIET_PATH);
    for (let agentId = 1; agentId <= AGENTS; agentId++) {
      const path = `/client/@me/agent/local/${agentId}`;
      await town.quiet.api('PUT', path, { extension_name: `${agentId}@example.org` });
      for (const event_type of ['agent-login', 'agent-logout']) {
        const answer = await town.quiet.api('POST', `${path}/event/`, { url, event_type, method: 'POST' });
        if (answer.status !== 201) throw new Error(`agent event: ${answer.status} ${answer.text}`);
      }
    }
    return new Neighbour(town);
  }

  /** Reports twenty changes a second, one a request, for so many seconds, and waits for their notifications. */
  async measure(seconds: number): Promise<Latencies> {
    const { receiver, platform } = this.town;
    const sentAt = new Map<string, number>();
    const reports: Promise<void>[] = [];
    const before = receiver.requests.length;
    const startedAt = Date.now();
    for (let nth = 0; nth < CHANGES_PER_SECOND * seconds; nth++) {
      const due = startedAt + (nth * 1000) / CHANGES_PER_SECOND;
      if (Date.now() < due) await delay(due - Date.now());
      const agentId = 1 + (nth % AGENTS);
      if (agentId === 1) this.round += 1;
      const sent = Date.now();
      const report = async (): Promise<void> => {
        const answer = await platform.telemetry(itemOf(QUIET, agentId, this.round % 2 === 1));
        const [result] = answer.json as { result: string; sequence: number }[];
        if (result?.result !== 'changed') throw new Error(`telemetry: ${answer.status} ${answer.text}`);
        sentAt.set(`${agentId}:${result.sequence}`, sent);
      };
      const reported = report();
      reported.catch(() => undefined); // told by whoever waits for all of them
      reports.push(reported);
    }
    await Promise.all(reports);
    const arrivedAt = (): Map<string, number> =>
      new Map(
        receiver.requests
          .slice(before)
          .reverse() // of repeats the first counts
          .filter(({ url }) => url.startsWith(QUIET_PATH))
          .map(({ body, headers, at }) => [
            `${new URLSearchParams(body).get('agent_id')}:${String(headers['webhook-sequence'])}`,
            at,
          ]),
      );
    const keys = [...sentAt.keys()];
    for (const deadline = Date.now() + PATIENCE_MS; Date.now() < deadline; await delay(50)) {
      const arrived = arrivedAt();
      if (keys.every((key) => arrived.has(key))) break;
    }
    const arrived = arrivedAt();
    return latenciesOf(
      keys.map((key) => {
        const at = arrived.get(key);
        return at === undefined ? undefined : at - sentAt.get(key)!;
      }),
    );
  }
}
