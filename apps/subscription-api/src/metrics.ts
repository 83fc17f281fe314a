import { Counter, Gauge, type Registry } from 'prom-client';

/** What came of a request for a token: it was issued, or refused for a reason of OAuth's, or could not be decided now. */
type TokenResult = (typeof TOKEN_RESULTS)[number];
const TOKEN_RESULTS = ['issued', 'invalid_request', 'invalid_client', 'unsupported_grant_type', 'unavailable'] as const;

/** What an operator sees of subscription-api beside its requests: contract §8, `/metrics`. */
export class ApiMetrics {
  private readonly tokens: Counter<'result'>;
  private readonly limited: Counter;
  private readonly streams: Gauge;
  private readonly streamsRefused: Counter;

  constructor(registry: Registry) {
    const registers = [registry];
    this.tokens = new Counter({
      name: 'rollcall_token_requests_total',
      help: 'Requests for a token by what came of them.',
      labelNames: ['result'],
      registers,
    });
    for (const result of TOKEN_RESULTS) this.tokens.inc({ result }, 0);
    this.limited = new Counter({
      name: 'rollcall_rate_limited_requests_total',
      help: 'Requests that were refused since their application had used up its limit.',
      registers,
    });
    this.streams = new Gauge({
      name: 'rollcall_streams_open',
      help: 'Streams of events that are open, of all kinds.',
      registers,
    });
    this.streamsRefused = new Counter({
      name: 'rollcall_streams_refused_total',
      help: 'Streams that there was no place for.',
      registers,
    });
  }

  countToken(result: TokenResult): void {
    this.tokens.inc({ result });
  }

  countRateLimited(): void {
    this.limited.inc();
  }

  countStreamRefused(): void {
    this.streamsRefused.inc();
  }

  setStreams(count: number): void {
    this.streams.set(count);
  }
}
