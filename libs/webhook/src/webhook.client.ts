import { Axios, type AxiosAdapter, type AxiosRequestConfig } from 'axios';
import type { Agent } from 'undici';
import type { AddressGuard } from './address-guard.js';
import { describeFailure, storableText } from './failure.js';
import type { WebhookRequest } from './notification.js';
import { createGuardedAgent, Exchange, ExchangeTimeoutError, type HostLookup, type RawAnswer } from './undici-transport.js';

/** How an attempt went: the receiver's answer, or, in words for people, why there is none. */
export type AttemptResult =
  | {
      readonly status: number;
      /** Milliseconds. */
      readonly latencyMs: number;
      /** The first 4 KiB of the answer as text that PostgreSQL can store. */
      readonly body: string;
      /** The `Retry-After` header as it came. */
      readonly retryAfter: string | undefined;
    }
  | { readonly error: string; readonly latencyMs: number };

export interface WebhookClientOptions {
  readonly guard: AddressGuard;
  /** Longest that an exchange may take in all, in milliseconds: contract §6. */
  readonly timeoutMs: number;
  /** Most connections to one origin. */
  readonly connectionsPerOrigin: number;
  /** Who is asked for a name's addresses; the operating system by default. The guard judges its answers all the same. */
  readonly lookupHost?: HostLookup;
}

/** The request as the adapter takes it. A class, since axios copies plain objects and rewrites headers. */
class Prepared {
  constructor(readonly request: WebhookRequest) {}
}

type PreparedConfig = AxiosRequestConfig & { prepared: Prepared };

/**
 * Sends notifications over undici: guarded, without redirects, cookies or proxies. Deliveries go to the agent directly, since
 * axios's request pipeline costs as much as the request; what is sent by hand goes through axios, with its interceptors, and
 * leaves the same way (docs/adr/0011).
 */
export class WebhookClient {
  /** For interceptors. Not axios.create(): its defaults add headers, transform bodies and turn answers into errors. */
  readonly axios: Axios;
  private readonly agent: Agent;
  private readonly timeoutMs: number;
  /** In the order of their deadlines, since all have the same timeout: the sweep looks at the first ones only. */
  private readonly running = new Set<Exchange>();
  private readonly sweeper: NodeJS.Timeout;

  constructor({ guard, timeoutMs, connectionsPerOrigin, lookupHost }: WebhookClientOptions) {
    this.timeoutMs = timeoutMs;
    this.agent = createGuardedAgent(guard, connectionsPerOrigin, lookupHost);
    this.axios = new Axios({ adapter: this.adapter, validateStatus: null });
    this.sweeper = setInterval(() => this.sweep(), Math.min(250, Math.max(10, timeoutMs / 20))).unref();
  }

  /** Makes one attempt. Never rejects: what the network does is a result. */
  send(request: WebhookRequest): Promise<AttemptResult> {
    return this.attempt(this.exchange(request));
  }

  /** As {@link send}, through {@link axios}: for what a person sends and looks at. */
  sendByHand(request: WebhookRequest): Promise<AttemptResult> {
    const config: PreparedConfig = { method: request.method, prepared: new Prepared(request) };
    const answer = this.axios.request<Buffer, { status: number; headers: RawAnswer['headers']; data: Buffer }>(config);
    return this.attempt(answer.then(({ status, headers, data }) => ({ status, headers, body: data })));
  }

  /** Ends every connection; attempts that are in flight get an error as their result. */
  async close(): Promise<void> {
    clearInterval(this.sweeper);
    await this.agent.destroy();
  }

  private readonly adapter: AxiosAdapter = async (config) => {
    const { status, headers, body } = await this.exchange((config as unknown as PreparedConfig).prepared.request);
    const retryAfter = headers['retry-after'];
    return {
      data: body,
      status,
      statusText: '',
      headers: typeof retryAfter === 'string' ? { 'retry-after': retryAfter } : {},
      config,
    };
  };

  private async attempt(exchange: Promise<RawAnswer>): Promise<AttemptResult> {
    const startedAt = performance.now();
    try {
      const { status, headers, body } = await exchange;
      const retryAfter = headers['retry-after'];
      return {
        status,
        latencyMs: elapsedMs(startedAt),
        body: storableText(body),
        retryAfter: typeof retryAfter === 'string' ? retryAfter : undefined,
      };
    } catch (error) {
      return { error: describeFailure(error, this.timeoutMs), latencyMs: elapsedMs(startedAt) };
    }
  }

  private exchange(request: WebhookRequest): Promise<RawAnswer> {
    return new Promise((resolve, reject) => {
      const exchange = new Exchange(
        performance.now() + this.timeoutMs,
        (error, answer) => (answer ? resolve(answer) : reject(error!)),
        (ended) => this.running.delete(ended),
      );
      this.running.add(exchange);
      try {
        this.agent.dispatch(request, exchange);
      } catch (error) {
        exchange.abort(error as Error);
      }
    });
  }

  private sweep(): void {
    const now = performance.now();
    for (const exchange of this.running) {
      if (exchange.deadline > now) return;
      exchange.abort(new ExchangeTimeoutError());
    }
  }
}

function elapsedMs(startedAt: number): number {
  return Math.round(performance.now() - startedAt);
}
