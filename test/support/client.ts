/** What the services answer on. */
export interface Urls {
  readonly subscriptionApi: string;
  readonly presence: string;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The parsed body; undefined where there is none. */
  readonly json: unknown;
}

/** Makes one HTTP call, whatever it answers. */
export async function call(url: string, init: RequestInit = {}): Promise<Answer> {
  const response = await fetch(url, { redirect: 'manual', ...init });
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.includes('json') ?? false;
  return {
    status: response.status,
    headers: response.headers,
    text,
    json: isJson && text !== '' ? (JSON.parse(text) as unknown) : undefined,
  };
}

/** Fetches a token by an urlencoded body, the most common way. */
export async function fetchToken(urls: Urls, appId: string, secret: string): Promise<string> {
  const answer = await call(`${urls.subscriptionApi}/oauth/token`, {
    method: 'POST',
    body: new URLSearchParams({ grant_type: 'client_credentials', client_id: appId, client_secret: secret }),
  });
  if (answer.status !== 200) throw new Error(`no token for ${appId}: ${answer.status} ${answer.text}`);
  return (answer.json as { access_token: string }).access_token;
}

/** A REST consumer with a token of its own. */
export class RestClient {
  private constructor(
    private readonly urls: Urls,
    readonly token: string,
  ) {}

  static async create(urls: Urls, appId: string, secret: string): Promise<RestClient> {
    return new RestClient(urls, await fetchToken(urls, appId, secret));
  }

  /** @param path below `/api/ver1.0` */
  api(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    return call(`${this.urls.subscriptionApi}/api/ver1.0${path}`, this.init(method, body, headers));
  }

  telemetry(items: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    return call(`${this.urls.presence}/telemetry`, this.init('POST', items, headers));
  }

  private init(method: string, body: unknown, headers: Record<string, string>): RequestInit {
    return {
      method,
      headers: {
        authorization: `Bearer ${this.token}`,
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    };
  }
}
