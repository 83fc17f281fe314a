import { createLocalJWKSet, type JSONWebKeySet, type LocalJWKSet } from 'jose';
import { ApiError } from '#http';
import { isSecureUrl, type Logger } from '#runtime';

/** Longest that the issuer may take to answer one request, in milliseconds. */
const TIMEOUT_MS = 3000;
/** Keys are read again when they are older, beside the requests; a key that the issuer removed is refused after it. */
const REFRESH_MS = 5 * 60_000;
/** While the issuer is away its last keys are trusted for this long. */
const MAX_AGE_MS = 60 * 60_000;
/** Unknown key ids may come from anyone; the keys are read again for them at most this often. */
const REREAD_MS = 5000;
/** An issuer that failed is asked again at most this often. */
const RETRY_MS = 2000;

/** Times for tests, in milliseconds. */
export interface IssuerTimes {
  readonly refreshMs: number;
  readonly rereadMs: number;
}

/** Where people sign in at an issuer. */
export interface SignInEndpoints {
  readonly authorization: string;
  readonly token: string;
}

/**
 * The public keys of an external issuer, found by OpenID Connect Discovery. They are read when they are first needed,
 * so that a service starts without its issuer; after that requests wait for the issuer only when they carry an unknown key id.
 */
export class IssuerKeys {
  private current: { readonly keys: LocalJWKSet; readonly text: string } | undefined;
  private readAt = Number.NEGATIVE_INFINITY;
  private failedAt = Number.NEGATIVE_INFINITY;
  private reading: Promise<LocalJWKSet> | undefined;
  private endpoints: SignInEndpoints | undefined;

  constructor(
    private readonly issuer: string,
    private readonly logger: Logger,
    private readonly times: IssuerTimes = { refreshMs: REFRESH_MS, rereadMs: REREAD_MS },
  ) {}

  /**
   * Returns the known keys: the same object until they change.
   *
   * @throws ApiError `unavailable` when there are none, or only those of an hour ago
   */
  async get(): Promise<LocalJWKSet> {
    const age = Date.now() - this.readAt;
    if (!this.current || age > MAX_AGE_MS) return this.read();
    if (age > this.times.refreshMs) this.read().catch(() => undefined); // logged where it fails; these are good for now
    return this.current.keys;
  }

  /**
   * Reads the keys again because a token's key was not among them; returns the same ones if they were read just before.
   *
   * @throws ApiError `unavailable` when the issuer cannot be asked
   */
  async getNewer(): Promise<LocalJWKSet> {
    return this.current && Date.now() - this.readAt <= this.times.rereadMs ? this.current.keys : this.read();
  }

  /** Checks whether tokens can be verified, for readiness. */
  async check(): Promise<void> {
    await this.get();
  }

  /** Returns where people sign in at the issuer; undefined: it names no secure URL, or has not been reached yet. */
  async signInEndpoints(): Promise<SignInEndpoints | undefined> {
    await this.get().catch(() => undefined); // logged where it fails
    return this.endpoints;
  }

  private async read(): Promise<LocalJWKSet> {
    if (!this.reading && Date.now() - this.failedAt <= RETRY_MS) throw unavailable();
    return (this.reading ??= this.readNow().finally(() => (this.reading = undefined)));
  }

  private async readNow(): Promise<LocalJWKSet> {
    try {
      const text = await fetchText(await this.discover());
      if (text !== this.current?.text) {
        this.current = { keys: createLocalJWKSet(JSON.parse(text) as JSONWebKeySet), text };
        this.logger.info({ issuer: this.issuer, kids: this.current.keys.jwks().keys.map(({ kid }) => kid) }, 'oidc.keys_changed');
      }
      this.readAt = Date.now();
      this.failedAt = Number.NEGATIVE_INFINITY;
      return this.current.keys;
    } catch (error) {
      this.failedAt = Date.now();
      this.logger.warn({ err: error, issuer: this.issuer }, 'oidc.issuer_unavailable');
      throw unavailable();
    }
  }

  /** @returns where the keys are */
  private async discover(): Promise<string> {
    const text = await fetchText(`${this.issuer.replace(/\/$/, '')}/.well-known/openid-configuration`);
    const {
      issuer,
      jwks_uri: keysUrl,
      authorization_endpoint: authorization,
      token_endpoint: token,
    } = JSON.parse(text) as Readonly<Record<string, unknown>>;
    if (issuer !== this.issuer) throw new Error(`the issuer names itself ${String(issuer)}: OIDC_ISSUER must be exactly that`);
    if (typeof keysUrl !== 'string' || !isSecureUrl(keysUrl)) throw new Error('the issuer names no secure jwks_uri');
    const areSecure = [authorization, token].every((url) => typeof url === 'string' && isSecureUrl(url));
    this.endpoints = areSecure ? { authorization: authorization as string, token: token as string } : undefined;
    return keysUrl;
  }
}

async function fetchText(url: string): Promise<string> {
  const response = await fetch(url, {
    // Asked so rarely that a connection kept open would often turn out to be dead.
    headers: { accept: 'application/json', connection: 'close' },
    redirect: 'manual',
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  const text = await response.text();
  if (response.status !== 200) throw new Error(`${url} answered ${response.status}`);
  return text;
}

function unavailable(): ApiError {
  const headers = { 'retry-after': String(RETRY_MS / 1000) };
  return new ApiError('unavailable', 'The issuer of tokens cannot be reached', { headers });
}
