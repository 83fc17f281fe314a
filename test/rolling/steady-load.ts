import { Agent, request } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import type { Accepted, Arrival } from '../chaos/checker.js';
import { fetchToken, type Urls } from '../support/client.js';
import type { RecordedRequest } from '../support/receiver.js';

const CLIENT_ID = 12;
const ITEMS = 5;
const RETRY_MS = 200;

interface AgentState {
  readonly agentId: number;
  changes: number;
  busy: boolean;
}

/** What happened to the callers, and how late the third party was told, in milliseconds from the first try to report the change. */
export interface Figures {
  readonly requests: number;
  /** Answered with an error, or not at all. */
  readonly failed: readonly string[];
  readonly changes: number;
  readonly p50: number;
  readonly p99: number;
  readonly latest: number;
}

/**
 * Steady telemetry and reads over connections that are kept, as internal services hold them. A request that fails is counted, and
 * the report sent again until it is accepted.
 */
export class SteadyLoad {
  private readonly agents: AgentState[];
  /** In turn: no server can help a connection that nobody has used for the whole delay and that is used just as it ends. */
  private readonly agent = new Agent({ keepAlive: true, maxSockets: 16, scheduling: 'fifo' });
  private readonly failed: string[] = [];
  private requests = 0;
  private readonly sentAt = new Map<string, number>();
  private readonly lateness: number[] = [];
  private latestLately = 0;
  readonly arrivals: Arrival[] = [];
  private readonly startedAt = Date.now();
  private going = true;

  constructor(
    agentCount: number,
    private readonly urls: Urls,
    private readonly changesPerSecond: number,
  ) {
    this.agents = Array.from({ length: agentCount }, (_, index) => ({ agentId: index + 1, changes: 0, busy: false }));
  }

  get agentIds(): number[] {
    return this.agents.map(({ agentId }) => agentId);
  }

  get accepted(): Accepted[] {
    return this.agents.map(({ agentId, changes }) => ({ agentId, changes }));
  }

  /** Records what a third party was sent; it answers 200. */
  arrived({ method, url, headers, body }: RecordedRequest): void {
    const pairs = new URLSearchParams(method === 'GET' ? url.split('?')[1] : body);
    const agentId = Number(pairs.get('agent_id'));
    const sequence = Number(headers['webhook-sequence']);
    const sentAt = this.sentAt.get(`${agentId}:${sequence}`);
    if (sentAt !== undefined) {
      const late = performance.now() - sentAt;
      this.lateness.push(late);
      this.latestLately = Math.max(this.latestLately, late);
    }
    this.sentAt.delete(`${agentId}:${sequence}`);
    const webhookId = String(headers['webhook-id']);
    this.arrivals.push({ path: url.split('?')[0]!, agentId, sequence, webhookId, acknowledged: true });
  }

  /** Sends until {@link stop}; resolves when the last report was accepted. */
  async run(): Promise<void> {
    const token = await fetchToken(this.urls, 'platform', 'platform-secret');
    const sending = new Set<Promise<void>>();
    for (let nth = 0, at = performance.now(); this.going; nth++) {
      const chosen = this.agents.filter(({ busy }) => !busy);
      const from = (nth * ITEMS) % Math.max(1, chosen.length - ITEMS);
      const one = Promise.all([this.report(chosen.slice(from, from + ITEMS), token), this.read(token)]).then(() => undefined);
      sending.add(one);
      void one.finally(() => sending.delete(one));
      at += (1000 * ITEMS) / this.changesPerSecond;
      await delay(Math.max(0, at - performance.now()));
    }
    await Promise.all(sending);
    this.agent.destroy();
  }

  stop(): void {
    this.going = false;
  }

  /** Returns what has come of it so far; lateness is counted anew from now on. */
  figures(): Figures {
    const sorted = this.lateness.splice(0).sort((a, b) => a - b);
    const at = (share: number): number => Math.round(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0);
    const { requests } = this;
    this.requests = 0;
    return { requests, failed: this.failed.splice(0), changes: sorted.length, p50: at(0.5), p99: at(0.99), latest: at(1) };
  }

  /** Returns how late the latest was since this was last asked, in milliseconds. */
  takeLatest(): number {
    const latest = Math.round(this.latestLately);
    this.latestLately = 0;
    return latest;
  }

  private async report(agents: readonly AgentState[], token: string): Promise<void> {
    for (const agent of agents) {
      agent.busy = true;
      this.sentAt.set(`${agent.agentId}:${agent.changes + 1}`, performance.now());
    }
    const items = agents.map(({ agentId, changes }) => ({
      client_id: String(CLIENT_ID),
      agent_type: 'local',
      agent_id: agentId,
      agent_status: changes % 2 === 0 ? 'available' : 'logged_out',
      event_source: 'api',
      extension_name: `${agentId}@example.org`,
      // Rises with every change, whatever the clock does.
      occurred_at: new Date(this.startedAt + changes).toISOString(),
    }));
    while (!(await this.succeeds('POST', `${this.urls.presence}/telemetry`, token, JSON.stringify(items)))) await delay(RETRY_MS);
    for (const agent of agents) {
      agent.changes += 1;
      agent.busy = false;
    }
  }

  private async read(token: string): Promise<void> {
    await this.succeeds('GET', `${this.urls.subscriptionApi}/api/ver1.0/client/${CLIENT_ID}/agent/local/1`, token);
  }

  private async succeeds(method: string, url: string, token: string, body?: string): Promise<boolean> {
    this.requests += 1;
    try {
      const status = await this.send(method, url, token, body);
      if (status === 200) return true;
      this.failed.push(`${method} ${new URL(url).pathname}: ${status}`);
    } catch (error) {
      this.failed.push(`${method} ${new URL(url).pathname}: ${(error as NodeJS.ErrnoException).code ?? String(error)}`);
    }
    return false;
  }

  private send(method: string, url: string, token: string, body: string | undefined): Promise<number | undefined> {
    return new Promise((resolve, reject) => {
      const headers = { authorization: `Bearer ${token}`, ...(body !== undefined && { 'content-type': 'application/json' }) };
      const sent = request(url, { method, agent: this.agent, headers }, (response) => {
        response
          .resume()
          .once('end', () => resolve(response.statusCode))
          .once('error', reject);
      });
      sent.once('error', reject).end(body);
    });
  }
}
