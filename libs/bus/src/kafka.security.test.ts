import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pino } from 'pino';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { readSettings } from '#runtime';
import { LocalKafka } from '../../../test/support/kafka.js';
import * as certificates from '../../../test/support/loopback-certificates.js';
import { eventually } from '../../../test/support/poll.js';
import type { Bus } from './bus.js';
import { KAFKA_SETTINGS, kafkaBusOf } from './kafka.settings.js';

const { LOOPBACK_CA: ca, LOOPBACK_KEY: key, CLIENT: cert } = certificates;
const SASL_PACKAGE = 'org.apache.kafka.common.security';
const AUDIENCE = 'kafka';

/** An authority for tokens: one client, one secret; what it gives to the scope `stranger` is for somebody else. */
class TokenIssuer {
  requests = 0;
  private constructor(
    private readonly server: Server,
    readonly secret: string,
  ) {}

  static async start(): Promise<TokenIssuer> {
    const secret = `s+/% ${randomBytes(8).toString('base64')}`;
    const { privateKey, publicKey } = await generateKeyPair('RS256', { extractable: true });
    const jwk = { ...(await exportJWK(publicKey)), kid: 'k', alg: 'RS256', use: 'sig' };
    const server = createServer((request, response) => {
      if (request.url === '/jwks') return void response.end(JSON.stringify({ keys: [jwk] }));
      issuer.requests += 1;
      void (async () => {
        let body = '';
        for await (const chunk of request.setEncoding('utf8')) body += chunk as string;
        const [, credentials = ''] = (request.headers.authorization ?? '').split(' ');
        const [id, given] = Buffer.from(credentials, 'base64')
          .toString()
          .split(':')
          .map((part) => decodeURIComponent(part.replaceAll('+', ' ')));
        response.setHeader('content-type', 'application/json');
        if (id !== 'rollcall' || given !== secret) return response.writeHead(401).end('{"error":"invalid_client"}');
        const scope = new URLSearchParams(body).get('scope');
        const token = await new SignJWT({ scope: scope ?? 'kafka' })
          .setProtectedHeader({ alg: 'RS256', kid: 'k' })
          .setSubject('rollcall')
          .setAudience(scope === 'stranger' ? 'somebody-else' : AUDIENCE)
          .setIssuedAt()
          .setExpirationTime('1h')
          .sign(privateKey);
        return response.end(JSON.stringify({ access_token: token, token_type: 'Bearer', expires_in: 3600 }));
      })();
    }).listen(0, '127.0.0.1');
    const issuer = new TokenIssuer(server, secret);
    await once(server, 'listening');
    return issuer;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.server.close();
    this.server.closeAllConnections();
  }
}

const tls = (certificate: string): Record<string, string> => ({
  'ssl.keystore.type': 'PEM',
  'ssl.keystore.certificate.chain': certificate,
  'ssl.keystore.key': key,
});

describe.skipIf(inject('kafkaBrokers').length === 0)('a broker that asks who is there', { timeout: 60_000 }, () => {
  const password = `p/#=%"${randomBytes(6).toString('hex')}`.replaceAll('"', '').replaceAll('=', '');
  let kafka: LocalKafka;
  let issuer: TokenIssuer;
  const buses: Bus[] = [];

  beforeAll(async () => {
    issuer = await TokenIssuer.start();
    kafka = await LocalKafka.start({
      listeners: {
        sasl: {
          protocol: 'SASL_SSL',
          settings: {
            ...tls(certificates.SERVER),
            'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER',
            'plain.sasl.jaas.config': `${SASL_PACKAGE}.plain.PlainLoginModule required user_alice="${password}";`,
            'scram-sha-256.sasl.jaas.config': `${SASL_PACKAGE}.scram.ScramLoginModule required;`,
            'scram-sha-512.sasl.jaas.config': `${SASL_PACKAGE}.scram.ScramLoginModule required;`,
            'oauthbearer.sasl.jaas.config': `${SASL_PACKAGE}.oauthbearer.OAuthBearerLoginModule required;`,
            'oauthbearer.sasl.server.callback.handler.class': `${SASL_PACKAGE}.oauthbearer.OAuthBearerValidatorCallbackHandler`,
            'oauthbearer.sasl.oauthbearer.jwks.endpoint.url': `${issuer.url}/jwks`,
            'oauthbearer.sasl.oauthbearer.expected.audience': AUDIENCE,
          },
        },
        mutual: {
          protocol: 'SSL',
          settings: {
            ...tls(certificates.SERVER),
            'ssl.client.auth': 'required',
            'ssl.truststore.type': 'PEM',
            'ssl.truststore.certificates': ca,
          },
        },
        expired: { protocol: 'SSL', settings: tls(certificates.EXPIRED_SERVER) },
        elsewhere: { protocol: 'SSL', settings: tls(certificates.SERVER_ELSEWHERE) },
      },
      scramUsers: { alice: password },
      javaArguments: [`-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls=${issuer.url}/jwks`],
    });
  }, 180_000);
  afterEach(async () => {
    for (const bus of buses.splice(0)) await bus.close();
  });
  afterAll(async () => {
    await kafka.stop();
    issuer.stop();
  });

  /** A bus as a service makes it from its environment; its log, to the last detail, goes to `lines`. */
  function connect(listener: string, environment: Record<string, string>, lines: string[] = []): Bus {
    const brokers = listener === 'plain' ? kafka.brokers : kafka.brokersOf(listener);
    const settings = readSettings({ KAFKA_BROKERS: brokers.join(), ...environment }, ['KAFKA_BROKERS', ...KAFKA_SETTINGS]);
    const logger = pino({ level: 'trace' }, { write: (line: string) => void lines.push(line) });
    const bus = kafkaBusOf({ ...settings, KAFKA_BROKERS: brokers }, 'test', logger);
    buses.push(bus);
    return bus;
  }

  const user = { KAFKA_SASL_USERNAME: 'alice', KAFKA_SASL_PASSWORD: password, KAFKA_SSL_CA: ca };
  const client = () => ({
    KAFKA_SASL_MECHANISM: 'oauthbearer',
    KAFKA_SASL_TOKEN_URL: `${issuer.url}/token`,
    KAFKA_SASL_CLIENT_ID: 'rollcall',
    KAFKA_SASL_CLIENT_SECRET: issuer.secret,
    KAFKA_SSL_CA: ca,
  });
  const WRONG_USER = /Kafka cannot be reached: SASL .*: check KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD$/;

  it.each<[string, string, () => Record<string, string>]>([
    ['plain', 'sasl', () => ({ ...user, KAFKA_SASL_MECHANISM: 'plain' })],
    ['scram-sha-256', 'sasl', () => ({ ...user, KAFKA_SASL_MECHANISM: 'scram-sha-256' })],
    ['scram-sha-512', 'sasl', () => ({ ...user, KAFKA_SASL_MECHANISM: 'SCRAM-SHA-512' })],
    ['oauthbearer', 'sasl', client],
    ['a certificate of our own', 'mutual', () => ({ KAFKA_SSL_CA: ca, KAFKA_SSL_CERT: cert, KAFKA_SSL_KEY: key })],
    [
      'a certificate in one line',
      'mutual',
      () => ({ KAFKA_SSL_CA: ca, KAFKA_SSL_CERT: cert.replaceAll('\n', '\\n'), KAFKA_SSL_KEY: key }),
    ],
  ])('takes records by %s, and shows no secret at any level of the log', async (_how, listener, environment) => {
    const topic = `test.${randomBytes(6).toString('hex')}`;
    const lines: string[] = [];
    const bus = connect(listener, environment(), lines);
    await bus.ensureTopics([topic]);
    await bus.producer().send(topic, [{ key: 'a', value: 'b' }]);
    await bus.check();
    const secrets = [password, issuer.secret, 'PRIVATE KEY', 'eyJ'];
    for (const secret of secrets) expect(lines.join('\n')).not.toContain(secret);
  });

  it.each<[string, string, () => Record<string, string>, RegExp]>([
    [
      'a wrong password for plain',
      'sasl',
      () => ({ ...user, KAFKA_SASL_MECHANISM: 'plain', KAFKA_SASL_PASSWORD: 'wrong-one' }),
      WRONG_USER,
    ],
    [
      'a wrong password for scram-sha-256',
      'sasl',
      () => ({ ...user, KAFKA_SASL_MECHANISM: 'scram-sha-256', KAFKA_SASL_PASSWORD: 'wrong-one' }),
      WRONG_USER,
    ],
    [
      'a wrong user for scram-sha-512',
      'sasl',
      () => ({ ...user, KAFKA_SASL_MECHANISM: 'scram-sha-512', KAFKA_SASL_USERNAME: 'bob' }),
      WRONG_USER,
    ],
    [
      'a wrong secret for a token',
      'sasl',
      () => ({ ...client(), KAFKA_SASL_CLIENT_SECRET: 'wrong-one' }),
      /no token from http.*: check KAFKA_SASL_CLIENT_ID, KAFKA_SASL_CLIENT_SECRET/,
    ],
    [
      'a token URL where nobody is',
      'sasl',
      () => ({ ...client(), KAFKA_SASL_TOKEN_URL: 'http://127.0.0.1:1/token' }),
      /no token from http:\/\/127\.0\.0\.1:1\/token \(.*\): check KAFKA_SASL_TOKEN_URL/,
    ],
    [
      'a token for somebody else',
      'sasl',
      () => ({ ...client(), KAFKA_SASL_SCOPE: 'stranger' }),
      /the broker does not take the token: check KAFKA_SASL_SCOPE/,
    ],
    [
      'a wrong CA',
      'sasl',
      () => ({ ...user, KAFKA_SASL_MECHANISM: 'plain', KAFKA_SSL_CA: certificates.OTHER_CA }),
      /: .*KAFKA_SSL_CA/,
    ],
    [
      'no CA',
      'sasl',
      () => ({ ...user, KAFKA_SASL_MECHANISM: 'plain', KAFKA_SSL_CA: '', KAFKA_SSL: 'true' }),
      /: .*give it in KAFKA_SSL_CA$/,
    ],
    ['an expired certificate of the broker', 'expired', () => ({ KAFKA_SSL_CA: ca }), /expired: .*renew it there$/],
    ['a certificate of another host', 'elsewhere', () => ({ KAFKA_SSL_CA: ca }), /another host: check KAFKA_BROKERS/],
    ['no certificate of our own', 'mutual', () => ({ KAFKA_SSL_CA: ca }), /: .*KAFKA_SSL_CERT/],
    [
      'an expired certificate of our own',
      'mutual',
      () => ({ KAFKA_SSL_CA: ca, KAFKA_SSL_CERT: certificates.EXPIRED_CLIENT, KAFKA_SSL_KEY: key }),
      /: .*KAFKA_SSL_CERT/,
    ],
    ['no TLS where the port wants it', 'sasl', () => ({}), /: .*KAFKA_SSL/],
    [
      'TLS where the port has none',
      'plain',
      () => ({ KAFKA_SSL: 'true' }),
      /: that port does not speak TLS: check KAFKA_BROKERS and KAFKA_SSL$/,
    ],
    ['no name where one is asked for', 'sasl', () => ({ KAFKA_SSL_CA: ca }), /: .*KAFKA_SASL_MECHANISM/],
    [
      'a mechanism that is not switched on',
      'plain',
      () => ({ KAFKA_SASL_MECHANISM: 'plain', KAFKA_SASL_USERNAME: 'a', KAFKA_SASL_PASSWORD: 'b' }),
      /: .*KAFKA_SASL_MECHANISM/,
    ],
  ])('is told in words for readiness with %s', async (_what, listener, environment, words) => {
    const lines: string[] = [];
    const bus = connect(listener, environment(), lines);
    void bus.ensureTopics(['test.never']).catch(() => undefined); // what a service does meanwhile, for the log
    await expect(bus.check()).rejects.toThrow(words);
    await eventually('the log', () => lines.some((line) => line.includes('bus.ensure_topics_failed')));
    const said = `${lines.join('\n')}${String(await bus.check().catch((error: unknown) => error))}`;
    for (const secret of [password, issuer.secret, 'wrong-one', 'PRIVATE KEY', 'eyJ']) expect(said).not.toContain(secret);
  });

  it('gets one token for all the connections of a while', async () => {
    const before = issuer.requests;
    const bus = connect('sasl', client());
    await bus.ensureTopics([`test.${randomBytes(6).toString('hex')}`]);
    await bus.producer().connect();
    await bus.check();
    expect(issuer.requests).toBe(before + 1);
  });
});
