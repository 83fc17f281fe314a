import {
  allowInsecureRequests,
  clientCredentialsGrantRequest,
  ClientSecretBasic,
  processClientCredentialsResponse,
  ResponseBodyError,
  WWWAuthenticateChallengeError,
} from 'oauth4webapi';
import { reasonOf } from '#runtime';

/** Where a token is got, and for whom: the grant `client_credentials` of RFC 6749. */
export interface TokenSource {
  readonly url: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly scope?: string | undefined;
}

const TIMEOUT_MS = 5000;
/**
 * A token is shared by the connections that are made within this time, in milliseconds, however long it is good for: the
 * broker may stop taking one that we know nothing of, and a new one is a request a minute at most.
 */
const REUSE_MS = 60_000;
/** The part of its life in which a token is used. */
const USED_LIFE = 0.5;

/** Tokens by which the bus says to the broker who it is; all of a process's connections share one for a while. */
export class BusToken {
  private current: { readonly value: Promise<string>; readonly until: number } | undefined;

  /** @param now milliseconds of a clock that only goes on */
  constructor(
    private readonly source: TokenSource,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** @throws Error that says why there is none, and which settings to look at; nothing of the secret is in it */
  get(): Promise<string> {
    if (!this.current || this.now() >= this.current.until) this.current = { value: this.fetch(), until: this.now() + REUSE_MS };
    return this.current.value;
  }

  private async fetch(): Promise<string> {
    const { url, clientId, clientSecret, scope } = this.source;
    const server = { issuer: url, token_endpoint: url };
    const client = { client_id: clientId };
    const askedAt = this.now();
    try {
      const answer = await clientCredentialsGrantRequest(
        server,
        client,
        ClientSecretBasic(clientSecret),
        new URLSearchParams(scope === undefined ? {} : { scope }),
        // Which URLs may be without TLS was decided where the setting was read.
        { signal: AbortSignal.timeout(TIMEOUT_MS), [allowInsecureRequests]: true },
      );
      const token = await processClientCredentialsResponse(server, client, answer);
      const life = token.expires_in === undefined ? REUSE_MS : token.expires_in * 1000 * USED_LIFE;
      this.current = { value: Promise.resolve(token.access_token), until: askedAt + Math.min(life, REUSE_MS) };
      return token.access_token;
    } catch (error) {
      this.current = undefined;
      throw new Error(explainTokenError(error, url), { cause: error });
    }
  }
}

function explainTokenError(error: unknown, url: string): string {
  if (error instanceof ResponseBodyError || error instanceof WWWAuthenticateChallengeError) {
    const code = error instanceof ResponseBodyError ? error.error : `status ${error.status}`;
    return `no token from ${url} (${code}): check KAFKA_SASL_CLIENT_ID, KAFKA_SASL_CLIENT_SECRET and KAFKA_SASL_SCOPE`;
  }
  const reason = error instanceof Error && error.cause !== undefined ? reasonOf(error.cause) : reasonOf(error);
  return `no token from ${url} (${reason}): check KAFKA_SASL_TOKEN_URL, and that it can be reached from here`;
}
