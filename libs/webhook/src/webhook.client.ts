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

/** The request as the adapter takes it. A class, since axios deep-copies plain objects and normalizes headers: half of its cost. */
class Prepared {
  constructor(readonly request: WebhookRequest) {}
}

type SendConfig = AxiosRequestConfig<string> & { prepared: Prepared };

/**
 * Sends notifications: axios over undici, guarded, without redirects, cookies or proxies. The standard adapter of axios
 * costs three times as much a request (docs/adr).
 */
export class WebhookClient {
  private readonly agent: Agent;
  private readonly axios: Axios;
  private readonly timeoutMs: number;
  /** In the order of their deadlines, since all have the same timeout: the sweep looks at the first ones only. */
  private readonly running = new Set<Exchange>();
  private readonly sweeper: NodeJS.Timeout;

  constructor({ guard, timeoutMs, connectionsPerOrigin, lookupHost }: WebhookClientOptions) {
    this.timeoutMs = timeoutMs;
    this.agent = createGuardedAgent(guard, connectionsPerOrigin, lookupHost);
    // Not axios.create(): its defaults add headers, transform bodies and turn answers into errors.
    this.axios = new Axios({ adapter: this.adapter, validateStatus: null });
    this.sweeper = setInterval(() => this.sweep(), Math.min(250, Math.max(10, timeoutMs / 20))).unref();
  }

  /** Makes one attempt. Never rejects: what the network does is a result. */
  async send(request: WebhookRequest): Promise<AttemptResult> {
    const startedAt = performance.now();
    try {
      const config: SendConfig = { method: request.method, prepared: new Prepared(request) };
      const { status, headers, data } = await this.axios.request<Buffer>(config);
      const retryAfter: unknown = headers['retry-after'];
      return {
        status,
        latencyMs: elapsedMs(startedAt),
        body: storableText(data),
        retryAfter: typeof retryAfter === 'string' ? retryAfter : undefined,
      };
    } catch (error) {
      return { error: describeFailure(error, this.timeoutMs), latencyMs: elapsedMs(startedAt) };
    }
  }

  /** Ends every connection; attempts that are in flight get an error as their result. */
  async close(): Promise<void> {
    clearInterval(this.sweeper);
    await this.agent.destroy();
  }

  private readonly adapter: AxiosAdapter = async (config) => {
    const { request } = (config as unknown as SendConfig).prepared;
    const { status, headers, body } = await this.exchange(request);
    const retryAfter = headers['retry-after'];
    return {
      data: body,
      status,
      statusText: '',
      headers: typeof retryAfter === 'string' ? { 'retry-after': retryAfter } : {},
      config,
    };
  };

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
