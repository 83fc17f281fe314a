import { Axios, type AxiosAdapter, type AxiosRequestConfig, type AxiosResponse } from 'axios';
import { describeFailure, kindOfFailure, storableText, type FailureKind } from './failure.js';
import { NotSentError, type Answer, type SendTerms } from './http/exchange.js';
import { HttpClient, type HttpClientOptions } from './http/http-client.js';
import type { WebhookRequest } from './notification.js';

/** How an attempt went: the receiver's answer, or, in words for people, why there is none. */
export type AttemptResult =
  | {
      readonly status: number;
      /** To the end of the answer's head, in milliseconds. */
      readonly latencyMs: number;
      /** The first 4 KiB of the answer, of a success the first 256 bytes, as text that PostgreSQL can store. */
      readonly body: string;
      /** Every `Retry-After` header as it came, joined by commas. */
      readonly retryAfter: string | undefined;
    }
  | { readonly error: string; readonly kind: FailureKind; readonly latencyMs: number };

export type WebhookClientOptions = HttpClientOptions;

/** The request as the adapter takes it. A class, since axios copies plain objects and rewrites headers. */
class Prepared {
  constructor(
    readonly request: WebhookRequest,
    readonly terms: SendTerms,
  ) {}
}

type PreparedConfig = AxiosRequestConfig & { prepared: Prepared };
/** The answer as interceptors see it; axios passes the rest along. */
type Answered = AxiosResponse<Buffer> & Pick<Answer, 'isCut' | 'latencyMs'>;

/**
 * Sends notifications: guarded, without redirects, cookies or proxies. Deliveries go to the HTTP client directly, since axios's
 * request pipeline costs as much as the request; what is sent by hand goes through axios, with its interceptors, and leaves the
 * same way (docs/adr/0011).
 */
export class WebhookClient {
  /** For interceptors. Not axios.create(): its defaults add headers, transform bodies and turn answers into errors. */
  readonly axios: Axios;
  private readonly http: HttpClient;

  constructor(options: WebhookClientOptions) {
    this.http = new HttpClient(options);
    this.axios = new Axios({ adapter: this.adapter, validateStatus: null });
  }

  /**
   * Makes one attempt. Never rejects: what the network does is a result.
   *
   * @returns undefined when there was no connection by `terms.sendBy`; nothing was sent then
   */
  send(request: WebhookRequest, terms: SendTerms): Promise<AttemptResult | undefined> {
    return attempt(this.http.exchange(request, terms), terms.startedAt);
  }

  /** Makes one attempt at once through {@link axios}: for what a person sends and looks at. Never rejects. */
  async sendByHand(request: WebhookRequest, clientId: number): Promise<AttemptResult> {
    const terms: SendTerms = { clientId, startedAt: performance.now(), sendBy: Infinity };
    const config: PreparedConfig = { method: request.method, prepared: new Prepared(request, terms) };
    const answer = this.axios.request<Buffer, Answered>(config).then(({ status, headers, data, isCut, latencyMs }): Answer => ({
      status,
      retryAfter: headers['retry-after'] as string | undefined,
      body: data,
      isCut,
      latencyMs,
    }));
    return (await attempt(answer, terms.startedAt))!;
  }

  /** Ends every connection; attempts that are in flight get an error as their result. */
  close(): Promise<void> {
    this.http.close();
    return Promise.resolve();
  }

  private readonly adapter: AxiosAdapter = async (config): Promise<Answered> => {
    const { request, terms } = (config as unknown as PreparedConfig).prepared;
    const { body, status, retryAfter, isCut, latencyMs } = await this.http.exchange(request, terms);
    const headers: Record<string, string> = retryAfter === undefined ? {} : { 'retry-after': retryAfter };
    return { data: body, status, statusText: '', headers, config, isCut, latencyMs };
  };
}

async function attempt(exchange: Promise<Answer>, startedAt: number): Promise<AttemptResult | undefined> {
  try {
    const { status, body, isCut, retryAfter, latencyMs } = await exchange;
    return { status, latencyMs: Math.round(latencyMs), body: storableText(body, isCut), retryAfter };
  } catch (error) {
    if (error instanceof NotSentError) return undefined;
    return { error: describeFailure(error), kind: kindOfFailure(error), latencyMs: Math.round(performance.now() - startedAt) };
  }
}
