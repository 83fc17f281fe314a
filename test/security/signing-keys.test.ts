import { decodeProtectedHeader } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { RunningService } from '#runtime';
import { runCli } from '../../apps/cli/src/run.js';
import { Gate } from '../../apps/presence/test/support.js';
import { call } from '../support/client.js';
import { eventually } from '../support/poll.js';
import { startTestPresence } from '../support/presence-service.js';
import { ApiFixture } from '../support/subscription-api.js';

interface ShownKey {
  readonly kid: string;
  readonly state: string;
}

/** The keys look at the database this often here; 5 seconds in production. */
const REFRESH = { times: { signingKeyRefreshMs: 50 } };

describe('signing keys', () => {
  let api: ApiFixture;
  let second: RunningService;
  let presence: RunningService;
  let instances: string[];

  beforeAll(async () => {
    api = await ApiFixture.start({}, REFRESH);
    second = await ApiFixture.startService(api.database.url, {}, REFRESH);
    presence = await startTestPresence(api.database.url);
    instances = [api.url, second.url];
  });

  afterAll(async () => {
    await presence.stop();
    await second.stop();
    await api.stop();
  });

  // Every test starts with one key that signs.
  beforeEach(async () => {
    await api.pool.query('delete from access.signing_key');
    await eventually('one key on both', async () => {
      const [key, ...more] = await kidsInDatabase();
      const signing = await Promise.all(instances.map(signingKid));
      return more.length === 0 && signing.every((kid) => kid === key);
    });
  });

  const token = async (url: string, app = 'platform'): Promise<string> => {
    const answer = await call(`${url}/oauth/token`, {
      method: 'POST',
      body: new URLSearchParams({ grant_type: 'client_credentials', client_id: app, client_secret: `${app}-secret` }),
    });
    return (answer.json as { access_token: string }).access_token;
  };
  const kidOf = (one: string): string => decodeProtectedHeader(one).kid!;
  const signingKid = async (url: string): Promise<string> => kidOf(await token(url));
  const kidsInDatabase = async (): Promise<string[]> =>
    (await api.pool.query<{ kid: string }>('select kid from access.signing_key order by activates_at')).rows.map(
      ({ kid }) => kid,
    );
  const published = async (url: string): Promise<string[]> =>
    ((await call(`${url}/.well-known/jwks.json`)).json as { keys: { kid: string }[] }).keys.map(({ kid }) => kid);
  /** What both services say to a token, on every instance. */
  const statuses = (one: string): Promise<number[]> => {
    const headers = { authorization: `Bearer ${one}`, 'content-type': 'application/json' };
    return Promise.all([
      ...instances.map(async (url) => (await call(`${url}/api/ver1.0/user`, { headers })).status),
      call(`${presence.url}/telemetry`, { method: 'POST', headers, body: '[]' }).then(({ status }) => status),
    ]);
  };
  /** A key that was just made is known within a moment. */
  const isGood = (one: string): Promise<boolean> =>
    eventually('a good token', async () => (await statuses(one)).every((status) => status === 200));
  /** Lets time pass, for the keys. */
  const age = (interval: string): Promise<unknown> =>
    api.pool.query(
      'update access.signing_key set activates_at = activates_at - $1::interval, created_at = created_at - $1::interval',
      [interval],
    );
  const keys = async (line: string): Promise<{ code: number; out: string; error: string }> => {
    let [out, error] = ['', ''];
    const code = await runCli(['keys', ...line.split(' ')], {
      env: { DATABASE_URL: api.database.url, DATA_DIR: '/nonexistent' },
      write: (text) => void (out += text),
      writeError: (text) => void (error += text),
    });
    return { code, out, error };
  };
  const listed = async (): Promise<ShownKey[]> => JSON.parse((await keys('list --json')).out) as ShownKey[];

  it('are replaced in time, published before they sign and until their tokens have expired, on every instance', async () => {
    const [first] = (await kidsInDatabase()) as [string];
    const before = await token(api.url);
    await age('30 days - 10 minutes');
    const both = await eventually('the successor', async () => {
      const kids = await kidsInDatabase();
      return kids.length === 2 && kids;
    });
    const next = both[1]!;
    for (const url of instances) {
      await eventually('it is published', async () => (await published(url)).includes(next));
      expect(await signingKid(url)).toBe(first);
    }
    expect((await listed()).map(({ kid, state }) => [kid, state])).toEqual([
      [first, 'signing'],
      [next, 'next'],
    ]);

    await age('10 minutes 1 second');
    for (const url of instances) await eventually('it signs', async () => (await signingKid(url)) === next);
    const after = await token(second.url);
    for (const one of [before, after]) await isGood(one);
    for (const url of instances) expect((await published(url)).sort()).toEqual([first, next].sort());
    expect((await listed()).map(({ state }) => state)).toEqual(['replaced', 'signing']);

    await age('1 hour 5 minutes');
    await eventually('the first is gone', async () => (await kidsInDatabase()).join() === next);
    for (const url of instances) await eventually('it is not published', async () => (await published(url)).join() === next);
    await isGood(after);
    await eventually('its tokens are refused', async () => (await statuses(before)).every((status) => status === 401));
  });

  it('are replaced when somebody asks for it, once, and without a gap', async () => {
    const [first] = (await kidsInDatabase()) as [string];
    const before = await token(api.url);
    expect(await keys('rotate')).toEqual({ code: 0, out: expect.stringContaining('Asked for a new key') as string, error: '' });
    await keys('rotate');
    const [, next] = await eventually('the successor', async () => {
      const kids = await kidsInDatabase();
      return kids.length > 1 && kids;
    });
    await age('5 minutes');
    expect(await kidsInDatabase()).toEqual([first, next]);
    expect(await signingKid(api.url)).toBe(first);
    await age('5 minutes 1 second');
    for (const url of instances) await eventually('it signs', async () => (await signingKid(url)) === next);
    for (const one of [before, await token(api.url)]) await isGood(one);
    expect(await kidsInDatabase()).toEqual([first, next]);
  });

  it('end with all their tokens, also those that were seen before, when they are said to be stolen', async () => {
    const [first] = (await kidsInDatabase()) as [string];
    const stolen = await token(api.url);
    await isGood(stolen);
    const { code, out } = await keys('rotate --now');
    expect([code, out]).toEqual([0, expect.stringContaining(`Deleted ${first}.`)]);
    await eventually('its tokens are refused', async () => (await statuses(stolen)).every((status) => status === 401));
    for (const url of instances) await eventually('another signs', async () => (await signingKid(url)) !== first);
    const fresh = await token(api.url);
    await isGood(fresh);
    expect(await kidsInDatabase()).toEqual([kidOf(fresh)]);
    for (const url of instances) expect(await published(url)).toEqual([kidOf(fresh)]);
  });

  it('outlive an outage of the database, after which they are followed again', async () => {
    const gate = await Gate.to(api.database.url);
    const cut = await ApiFixture.startService(gate.url, {}, REFRESH);
    const [first] = (await kidsInDatabase()) as [string];
    await gate.close();
    await eventually('the outage', async () => (await call(`${cut.url}/health/ready`)).status === 503);
    expect(await published(cut.url)).toEqual([first]);
    await keys('rotate');
    await eventually('the successor', async () => (await kidsInDatabase()).length === 2);
    await gate.open();
    await eventually('it is known', async () => (await published(cut.url)).length === 2);
    await cut.stop();
    await gate.close();
  });

  it('are shown without what must not be seen', async () => {
    const { code, out } = await keys('list');
    expect([code, out]).toEqual([
      0,
      expect.stringMatching(/^kid +state +created_at +activates_at\n[\w-]{43} {2}signing +\S+Z +\S+Z\n$/),
    ]);
    expect((await keys('list --json')).out).not.toMatch(/jwk|private|sealed/);
  });

  it('have a command that explains itself, and what is wrong', async () => {
    expect(await keys('--help')).toEqual({
      code: 0,
      out: expect.stringContaining('rotate --now is for keys that were stolen') as string,
      error: '',
    });
    for (const line of ['steal', 'rotate --soon', 'list all', 'list --now']) {
      const wrong = await keys(line);
      expect([wrong.code, wrong.out, wrong.error.includes('Usage: npm run cli -- keys')]).toEqual([2, '', true]);
    }
    expect((await keys('rotate --help')).code).toBe(0);
  });
});
