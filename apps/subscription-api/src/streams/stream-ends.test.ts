import { request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { importJWK, SignJWT, type CryptoKey } from 'jose';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { makeSigningKey } from '#auth';
import { openStream, type StreamReader } from '../../../../test/support/event-stream.js';
import { OpenIdIssuer } from '../../../../test/support/openid-issuer.js';
import { eventually } from '../../../../test/support/poll.js';
import { ApiFixture } from '../../../../test/support/subscription-api.js';

const PATH = '/api/ver1.0/client/@me/agent_status/stream';

/** Signs tokens as the service does, with a key of the test's own. */
class TestSigner {
  private constructor(
    private readonly api: ApiFixture,
    private readonly kid: string,
    private readonly key: CryptoKey,
  ) {}

  static async add(api: ApiFixture): Promise<TestSigner> {
    const { kid, publicJwk, privateJwk } = await makeSigningKey();
    await api.pool.query(
      `insert into access.signing_key (kid, public_jwk, private_jwk_sealed, activates_at)
       select $1, $2, private_jwk_sealed, now() + interval '1 day' from access.signing_key limit 1`, // the service signs with its own
      [kid, publicJwk],
    );
    return new TestSigner(api, kid, (await importJWK(privateJwk, 'ES256')) as CryptoKey);
  }

  async token(appId: string, seconds: number): Promise<string> {
    const { rows } = await this.api.pool.query<{ id: string }>('select id from access.application where app_id = $1', [appId]);
    return new SignJWT({ app: Number(rows[0]!.id) })
      .setProtectedHeader({ alg: 'ES256', kid: this.kid, typ: 'JWT' })
      .setIssuer('rollcall')
      .setAudience('rollcall')
      .setIssuedAt()
      .setExpirationTime(`${seconds}s`)
      .sign(this.key);
  }

  async remove(): Promise<void> {
    await this.api.pool.query('delete from access.signing_key where kid = $1', [this.kid]);
  }
}

describe('a stream ends', () => {
  let api: ApiFixture;
  const readers: StreamReader[] = [];

  beforeAll(async () => {
    api = await ApiFixture.start();
    await api.addAgent(1);
    await api.addAgent(1, 'local', 13);
  });

  afterEach(() => readers.splice(0).forEach((reader) => reader.close()));
  afterAll(() => api.stop());

  async function open(token: string, client = '@me'): Promise<StreamReader> {
    const reader = await openStream(api, { token, client });
    readers.push(reader);
    return reader;
  }

  const ended = (reader: StreamReader): Promise<unknown> => eventually('the end', () => reader.isEnded);
  const sql = (text: string): Promise<unknown> => api.pool.query(text);

  /** An application of the test's own, as a token of it. */
  async function tokenOf(appId: string, access: string): Promise<string> {
    const added = await api.api('platform', 'POST', '/application/', { app_id: appId, client_id: 12, access });
    const { secret } = added.json as { secret: string };
    const answer = await fetch(`${api.url}/oauth/token`, {
      method: 'POST',
      body: new URLSearchParams({ grant_type: 'client_credentials', client_id: appId, client_secret: secret }),
    });
    return ((await answer.json()) as { access_token: string }).access_token;
  }

  it('with its token, and not those of others', async () => {
    const signer = await TestSigner.add(api);
    const [short, own, platform] = [await signer.token('demo', 3), await api.token('demo'), await signer.token('platform', 4)];
    const streams = [await open(short), await open(own), await open(platform, '13')] as const;
    await ended(streams[0]);
    await ended(streams[2]);
    expect(streams[1].isEnded).toBe(false);
    expect(streams[0].text).toMatch(/\n$/);
  });

  it('with the key that signed its token', async () => {
    const signer = await TestSigner.add(api);
    const token = await signer.token('reader', 600);
    const isKnown = () => fetch(`${api.url}/api/ver1.0/user`, { headers: { authorization: `Bearer ${token}` } });
    await eventually('the new key to be known', async () => (await isKnown()).ok);
    const stream = await open(token);
    await signer.remove();
    await ended(stream);
  });

  it('when its application is revoked', async () => {
    const stream = await open(await tokenOf('revoked', 'call_api'));
    await sql(`update access.application set revoked_at = now() where app_id = 'revoked'`);
    await ended(stream);
  });

  it('when its application is deleted', async () => {
    const stream = await open(await tokenOf('deleted', 'platform'), '13');
    await sql(`delete from access.application where app_id = 'deleted'`);
    await ended(stream);
  });

  it('when its application may no longer act for that client', async () => {
    const token = await tokenOf('lowered', 'platform');
    const [own, other] = [await open(token), await open(token, '13')];
    await sql(`update access.application set access = 'all' where app_id = 'lowered'`);
    await ended(other);
    expect(own.isEnded).toBe(false);
  });
});

describe('a stream of an external issuer’s token', () => {
  const AUDIENCE = 'https://rollcall.test/api';

  it('ends with it, and when its application is revoked here', async () => {
    const issuer = await OpenIdIssuer.start([{ id: 'crm', claims: {} }]);
    const api = await ApiFixture.start({ OIDC_ISSUER: issuer.url, OIDC_AUDIENCE: AUDIENCE });
    const tokenOf = (name: string, seconds: number): Promise<string> => {
      const now = Math.floor(Date.now() / 1000);
      const about = { iss: issuer.url, aud: AUDIENCE, sub: name, client_id: name, iat: now, exp: now + seconds };
      return issuer.sign({ ...about, rollcall_client_id: 12, rollcall_access: 'all' });
    };
    const short = await openStream(api, { token: await tokenOf('short', 4) });
    const revoked = await openStream(api, { token: await tokenOf('revoked', 600) });
    const other = await openStream(api, { token: await tokenOf('other', 600) });
    await api.pool.query(`update access.application set revoked_at = now() where app_id = 'oidc:12:revoked'`);
    await eventually('the ends', () => short.isEnded && revoked.isEnded);
    expect(other.isEnded).toBe(false);
    other.close();
    await api.stop();
    await issuer.down();
  });
});

describe('a reader', () => {
  let api: ApiFixture;
  const sockets: Socket[] = [];

  beforeAll(async () => {
    api = await ApiFixture.start({}, { times: { streams: { checkMs: 100, keepAliveMs: 100, stalledMs: 1500 } } });
    await api.addAgent(136);
  });

  afterEach(() => sockets.splice(0).forEach((socket) => socket.destroy()));
  afterAll(() => api.stop());

  /** The first line of the answer to a request that is written by hand; the connection stays. */
  async function raw(version = '1.1', method = 'GET'): Promise<{ socket: Socket; status: string; text: () => string }> {
    const token = await api.token('demo');
    const socket = connect(Number(new URL(api.url).port), '127.0.0.1');
    sockets.push(socket);
    let text = '';
    socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
    socket.on('error', () => undefined); // cut off
    socket.write(`${method} ${PATH} HTTP/${version}\r\nHost: x\r\nAuthorization: Bearer ${token}\r\n\r\n`);
    await eventually('the head', () => text.includes('\r\n\r\n'));
    return { socket, status: text.slice(9, 12), text: () => text };
  }

  async function leave(): Promise<void> {
    for (const socket of sockets.splice(0)) socket.destroy();
    await eventually('free places', async () => {
      const statuses = await Promise.all(Array.from({ length: 200 }, () => raw('1.1', 'HEAD')));
      for (const socket of sockets.splice(0)) socket.destroy();
      return statuses.every(({ status }) => status === '200');
    });
  }

  it('finds a place unless its client has 200, whoever else has', async () => {
    await Promise.all(Array.from({ length: 200 }, () => raw()));
    for (const method of ['GET', 'HEAD']) {
      const refused = await api.api('platform', method, '/client/12/agent_status/stream');
      expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, expect.stringMatching(/^\d+$/)]);
    }
    const other = await openStream(api, { app: 'other' });
    const named = await openStream(api, { app: 'platform', client: '13' });
    other.close();
    named.close();
    sockets.pop()!.destroy();
    await eventually('a free place', async () => (await raw()).status === '200');
    await leave();
  });

  it('leaves nothing behind when it goes at once', async () => {
    for (let round = 0; round < 3; round++) {
      await Promise.all(
        Array.from({ length: 150 }, async (_, nth) => {
          const token = await api.token('demo');
          await new Promise<void>((resolve) => {
            const sent = request(`${api.url}${PATH}?after=0`, { headers: { authorization: `Bearer ${token}` } });
            sent.on('error', () => undefined).on('close', resolve);
            sent.end();
            setTimeout(() => sent.destroy(), nth % 10);
          });
        }),
      );
    }
    await leave();
  });

  it('is told that the stream is alive by comments, which are no events', async () => {
    const stream = await openStream(api);
    await eventually('three signs of life', () => stream.text.split(': alive').length > 3);
    expect(stream.text).toMatch(/^retry: \d+\n(: alive\n)+$/);
    stream.close();
  });

  it('of HTTP/1.0 is served until the connection ends', async () => {
    const { text } = await raw('1.0');
    await eventually('a sign of life', () => text().includes(': alive'));
    expect(text()).not.toMatch(/transfer-encoding/i);
    expect(text()).toMatch(/\r\n\r\nretry: \d+\n: alive\n/);
  });

  it('is cut off when it takes nothing, and others get everything meanwhile', async () => {
    const { socket } = await raw();
    socket.pause();
    let isCutOff = false;
    socket.on('close', () => (isCutOff = true));
    const reader = await openStream(api);
    for (let batch = 0; batch < 15; batch++) {
      await api.pool.query(
        `insert into presence.status_change (id, client_id, agent_id, agent_type, name, agent_status, event_source, sequence, occurred_at, changed_at)
         select (lpad(to_hex((extract(epoch from clock_timestamp()) * 1000)::bigint), 12, '0') || substr(md5(random()::text), 1, 20))::uuid,
           12, 136, 'local', repeat('x', 200), 'available', 'api', $1 * 1000 + n, now(), now()
         from generate_series(1, 1000) n`,
        [batch],
      );
    }
    await eventually('everything', () => reader.events.length >= 15_000, 60_000);
    expect(new Set(reader.events.map(({ id }) => id)).size).toBe(15_000);
    // Who does not read hears of the end only by what it sends: an empty line, which is no request.
    await eventually('the end of the connection', () => isCutOff || void socket.write('\r\n'), 60_000);
    reader.close();
  }, 180_000);
});

describe('a stream while the database is away', () => {
  it('stays, and tells what came meanwhile', async () => {
    const api = await ApiFixture.start({}, { times: { streams: { checkMs: 100, keepAliveMs: 100, stalledMs: 60_000 } } });
    const stream = await openStream(api);
    await api.addAgent(1);
    await eventually('the first event', () => stream.events.length === 1);
    const { rows } = await api.pool.query<{ name: string }>('select current_database() as name');
    const name = rows[0]!.name;
    await api.pool.query(`alter database ${name} connection limit 0`);
    await api.pool.query('select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1', [
      'rollcall-subscription-api',
    ]);
    await api.addAgent(2);
    const alive = stream.text.split(': alive').length;
    await eventually('signs of life', () => stream.text.split(': alive').length > alive + 3);
    await api.pool.query(`alter database ${name} connection limit -1`);
    await api.addAgent(3);
    await eventually('all of them', () => stream.events.length >= 3);
    expect(stream.events.map(({ data }) => data['id'])).toEqual([1, 2, 3]);
    expect(stream.isEnded).toBe(false);
    stream.close();
    await api.stop();
  });
});
