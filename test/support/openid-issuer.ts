import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK, type JWTPayload } from 'jose';
import { Provider, type Adapter, type ClientMetadata, type Configuration } from 'oidc-provider';
import { call } from './client.js';

/** An OAuth client of the issuer, and what its tokens say beside the standard claims. Its secret is its name and `-secret`. */
export interface IssuerClient {
  readonly id: string;
  readonly claims: Readonly<Record<string, string | number>>;
}

/** A page that people sign in to by their browser: a public client, and what its tokens say beside the standard claims. */
export interface IssuerPage extends IssuerClient {
  /** Where the browser is sent back to; its origin may ask for tokens. */
  readonly redirectUri: string;
}

interface IssuerKey {
  readonly kid: string;
  readonly alg: 'RS256' | 'ES256' | 'PS256';
  readonly privateKey: CryptoKey;
  readonly jwk: JWK;
}

/** Of what a sign-in leaves, in seconds. */
const TTL_S = 600;

const nothing = (): Promise<undefined> => Promise.resolve(undefined);

/** Client credentials for signed tokens leave nothing to be kept. */
class Nothing implements Adapter {
  readonly upsert = nothing;
  readonly find = nothing;
  readonly findByUserCode = nothing;
  readonly findByUid = nothing;
  readonly consume = nothing;
  readonly destroy = nothing;
  readonly revokeByGrantId = nothing;
}

/** A real OpenID provider on this machine, which can go down, come back at the same address, and change its keys. */
export class OpenIdIssuer {
  private server: Server | undefined;
  private readonly keys: IssuerKey[] = [];
  private port = 0;
  private page: IssuerPage | undefined;
  /** Requests for its keys. */
  keyRequests = 0;

  private constructor(private readonly clients: readonly IssuerClient[]) {}

  static async start(clients: readonly IssuerClient[]): Promise<OpenIdIssuer> {
    const issuer = new OpenIdIssuer(clients);
    await issuer.addKey('RS256');
    await issuer.up();
    return issuer;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Returns the key that signs now. */
  get key(): IssuerKey {
    return this.keys.at(-1)!;
  }

  /** Signs with a new key from the next start on; the others stay published. */
  async addKey(alg: IssuerKey['alg']): Promise<void> {
    const { privateKey } = await generateKeyPair(alg, { extractable: true });
    const kid = `key-${this.keys.length + 1}-${alg}`;
    this.keys.push({ kid, alg, privateKey, jwk: { ...(await exportJWK(privateKey)), kid, alg, use: 'sig' } });
  }

  /** Publishes a key no longer from the next start on. */
  removeKey(kid: string): void {
    this.keys.splice(
      this.keys.findIndex((key) => key.kid === kid),
      1,
    );
  }

  /** Signs people in for a page from the next start on: any name and password will do. */
  signInFor(page: IssuerPage): void {
    this.page = page;
  }

  /** Does nothing where it is up. */
  async up(): Promise<void> {
    if (this.server) return;
    const server = createServer().listen(this.port, '127.0.0.1');
    await once(server, 'listening');
    this.port = (server.address() as AddressInfo).port;
    const handle = new Provider(this.url, this.configuration()).callback();
    server.on('request', (request, response) => {
      if (request.url === '/jwks') this.keyRequests++;
      void handle(request, response);
    });
    this.server = server;
  }

  async down(): Promise<void> {
    if (!this.server) return;
    this.server.close();
    this.server.closeAllConnections();
    await once(this.server, 'close');
    this.server = undefined;
  }

  /** Fetches a token by client credentials, for an audience (RFC 8707). */
  async token(clientId: string, audience: string): Promise<string> {
    const answer = await call(`${this.url}/token`, {
      method: 'POST',
      // It may have been restarted since.
      headers: {
        connection: 'close',
        authorization: `Basic ${Buffer.from(`${clientId}:${clientId}-secret`).toString('base64')}`,
      },
      body: new URLSearchParams({ grant_type: 'client_credentials', resource: audience }),
    });
    if (answer.status !== 200) throw new Error(`no token: ${answer.text}`);
    return (answer.json as { access_token: string }).access_token;
  }

  /** Signs what the provider itself would not, with its own key. */
  sign(payload: JWTPayload, header: { typ?: string; kid?: string } = {}): Promise<string> {
    const { alg, kid, privateKey } = this.key;
    return new SignJWT(payload).setProtectedHeader({ alg, kid, ...header }).sign(privateKey);
  }

  private configuration(): Configuration {
    const { alg } = this.key;
    return {
      ...(this.page ? {} : { adapter: Nothing }),
      // The newest first: of several that fit, the provider takes the first.
      jwks: { keys: this.keys.map(({ jwk }) => jwk).reverse() },
      cookies: { keys: ['test'] },
      clients: [
        ...this.clients.map(({ id }) => ({
          client_id: id,
          client_secret: `${id}-secret`,
          grant_types: ['client_credentials'],
          redirect_uris: [],
          response_types: [] as [],
          id_token_signed_response_alg: alg,
        })),
        ...(this.page ? [clientOf(this.page, alg)] : []),
      ],
      extraTokenClaims: (_context, token) => ({ ...this.claimsOf(token.clientId) }),
      clientBasedCORS: (_context, origin) => this.page !== undefined && new URL(this.page.redirectUri).origin === origin,
      ttl: { AccessToken: TTL_S, Grant: TTL_S, IdToken: TTL_S, Interaction: TTL_S, RefreshToken: TTL_S, Session: TTL_S },
      findAccount: (_context, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
      features: {
        devInteractions: { enabled: this.page !== undefined },
        clientCredentials: { enabled: true },
        resourceIndicators: {
          enabled: true,
          getResourceServerInfo: (_context, resource) => ({
            scope: 'openid',
            audience: resource,
            accessTokenTTL: 600,
            accessTokenFormat: 'jwt',
            jwt: { sign: { alg } },
          }),
        },
      },
    };
  }

  private claimsOf(clientId: string | undefined): IssuerClient['claims'] | undefined {
    return [...this.clients, ...(this.page ? [this.page] : [])].find(({ id }) => id === clientId)?.claims;
  }
}

function clientOf({ id, redirectUri }: IssuerPage, alg: IssuerKey['alg']): ClientMetadata {
  return {
    client_id: id,
    token_endpoint_auth_method: 'none',
    grant_types: ['authorization_code', 'refresh_token'],
    redirect_uris: [redirectUri],
    response_types: ['code'],
    id_token_signed_response_alg: alg,
  };
}
