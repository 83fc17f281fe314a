import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Webhook } from 'standardwebhooks';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AllInOne } from '../support/all-in-one.js';
import { call, fetchToken, RestClient } from '../support/client.js';
import { eventually } from '../support/poll.js';
import { createTestDatabase, type TestDatabase } from '../support/postgres.js';
import { RecordingReceiver, type RecordedRequest } from '../support/receiver.js';

const ENCRYPTION_KEY = 'kT4nq-encryption-key-of-this-run';
const APP_SECRET = 'Zr8wd-secret-of-the-tenant';
const PLATFORM_SECRET = 'Qm2vx-secret-of-the-platform';
const WRONG_SECRET = 'Hb7yc-secret-that-is-wrong';
/** What the all-in-one makes beside its embedded PostgreSQL, where the settings give nothing. */
const FILES = ['encryption.key', 'postgres.password'];
const EVENTS = '/client/@me/agent/local/136/event/';

interface Secret {
  readonly secret: string;
  readonly expires_at: string | null;
}

describe('secrets, over a whole run', () => {
  let database: TestDatabase;
  let system: AllInOne;
  let receiver: RecordingReceiver;
  let tenant: RestClient;
  let platform: RestClient;
  const secrets = new Set([APP_SECRET, PLATFORM_SECRET, WRONG_SECRET, ENCRYPTION_KEY]);
  let available = false;

  beforeAll(async () => {
    database = await createTestDatabase();
    receiver = await RecordingReceiver.start();
    system = await AllInOne.start({
      LOG_LEVEL: 'trace',
      DATABASE_URL: database.url,
      ENCRYPTION_KEY,
      ALLOW_DESTINATIONS: '127.0.0.1',
      DELIVERY_RETRY_SCHEDULE: '1s,1s,1s,1s,1s,1s,1s,1s,1s',
      BOOTSTRAP_APPS: JSON.stringify([
        { app_id: 'tenant', secret: APP_SECRET, client_id: 12, access: 'all' },
        { app_id: 'platform', secret: PLATFORM_SECRET, client_id: 12, access: 'platform' },
      ]),
    });
    secrets.add(decodeURIComponent(new URL(database.url).password));
    tenant = await RestClient.create(system.urls, 'tenant', APP_SECRET);
    platform = await RestClient.create(system.urls, 'platform', PLATFORM_SECRET);
    await tenant.api('PUT', '/client/@me/agent/local/136', { extension_name: '000*094@ringme.ru' });
  });

  afterAll(async () => {
    await system.remove();
    await receiver.stop();
    await database.drop();
  });

  async function login(): Promise<void> {
    for (const agent_status of available ? ['logged_out', 'available'] : ['available']) {
      await platform.telemetry({ client_id: '12', agent_type: 'local', agent_id: 136, agent_status, event_source: 'api' });
    }
    available = true;
  }

  async function signingSecrets(): Promise<Secret[]> {
    const found = (await tenant.api('GET', '/client/@me/webhook_secret/')).json as Secret[];
    for (const { secret } of found) secrets.add(secret);
    return found;
  }

  /** Throws when the signature is not this secret's; the library compares the timestamp with now. */
  function verify(secret: string, request: RecordedRequest): void {
    const pairs = request.method === 'GET' ? request.url.slice(request.url.indexOf('?') + 1) : request.body;
    // It verifies first and then parses the payload as JSON, which pairs are not.
    try {
      new Webhook(secret).verify(pairs, request.headers as Record<string, string>);
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
    }
  }

  it('signs with the old and the new secret for 24 hours after a rotation, GET and POST', async () => {
    for (const method of ['GET', 'POST']) {
      const added = await tenant.api('POST', EVENTS, { url: `${receiver.url}/rotated`, event_type: 'agent-login', method });
      expect(added.status).toBe(201);
    }
    const [old] = await signingSecrets();
    const before = Date.now();
    const rotated = await tenant.api('POST', '/client/@me/webhook_secret/');
    expect(rotated.status).toBe(201);
    const all = await signingSecrets();
    const current = all.find(({ expires_at }) => expires_at === null)!;
    const former = all.find(({ secret }) => secret === old!.secret)!;
    expect(all).toHaveLength(2);
    expect(current.secret).toMatch(/^whsec_[A-Za-z0-9+/]{32}$/);
    const overlap = Date.parse(former.expires_at!) - before;
    expect(overlap).toBeGreaterThan(23.9 * 3_600_000);
    expect(overlap).toBeLessThan(24.1 * 3_600_000);

    // What signs is reread now and then: wait for a notification that both sign.
    const [get, post] = await eventually('both signatures, GET and POST', async () => {
      const from = receiver.requests.length;
      await login();
      const pair = await eventually('GET and POST', () => {
        const fresh = receiver.requests.slice(from);
        const found = ['GET', 'POST'].map((method) => fresh.find((request) => request.method === method));
        return found.every(Boolean) && (found as RecordedRequest[]);
      });
      return pair.every(({ headers }) => String(headers['webhook-signature']).split(' ').length === 2) && pair;
    });
    for (const request of [get!, post!]) {
      expect(request.headers['webhook-signature']).toMatch(/^v1,\S{44} v1,\S{44}$/);
      verify(current.secret, request);
      verify(former.secret, request);
      expect(() => verify('whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', request)).toThrow('No matching signature');
      expect(() => verify(current.secret, { ...request, url: `${request.url}1`, body: `${request.body}1` })).toThrow();
    }
  });

  it('writes none into its log, whatever goes wrong', async () => {
    for (const [id, secret] of [
      ['tenant', APP_SECRET],
      ['platform', PLATFORM_SECRET],
    ] as const) {
      secrets.add(await fetchToken(system.urls, id, secret));
    }
    // Made here, shown once: at registration and at rotation.
    for (const path of ['/application/', '/application/crm/secret']) {
      const answer = await platform.api('POST', path, { app_id: 'crm', client_id: 12, access: 'all', keep_previous_for: 3600 });
      const { secret } = answer.json as { secret: string };
      expect(secret).toMatch(/^[\w-]{43}$/);
      secrets.add(secret).add(await fetchToken(system.urls, 'crm', secret));
    }
    const token = `${system.urls.subscriptionApi}/oauth/token`;
    const query = new URLSearchParams({ grant_type: 'client_credentials', client_id: 'tenant', client_secret: WRONG_SECRET });
    const basic = Buffer.from(`tenant:${WRONG_SECRET}`).toString('base64');
    secrets.add(basic);
    for (const answer of [
      await call(token, { method: 'POST', body: query }),
      await call(`${token}?${query.toString()}`, { method: 'POST' }),
      await call(token, { method: 'POST', headers: { authorization: `Basic ${basic}` }, body: 'grant_type=client_credentials' }),
    ]) {
      expect(answer.status).toBeGreaterThanOrEqual(400);
      expect(answer.text).not.toContain(WRONG_SECRET);
    }
    const forged = 'eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.Zm9yZ2Vk';
    secrets.add(forged);
    for (const path of ['/client/12/limit/', `/user?access_token=${forged}`]) {
      const url = `${system.urls.subscriptionApi}/api/ver1.0${path}`;
      expect((await call(url, { headers: { authorization: `Bearer ${forged}` } })).status).toBe(401);
    }
    await tenant.api('POST', EVENTS, `{"url": "${WRONG_SECRET}`);

    const seen = receiver.requests.length;
    receiver.answer((_request, response, nth) =>
      nth % 2 === 0 ? response.destroy() : response.writeHead(500).end('does not work'),
    );
    await login();
    await eventually('failed attempts', () => receiver.requests.length > seen + 3);
    await signingSecrets();

    expect(system.process.output.length).toBeGreaterThan(1000);
    const leaked = [...secrets].filter((secret) => secret !== '' && system.process.output.includes(secret));
    expect(leaked).toEqual([]);
    expect(system.process.output).not.toContain('whsec_');
  });

  it('stores none in plain text', async () => {
    await signingSecrets();
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    try {
      const tables = await client.query<{ name: string }>(
        `select format('%I.%I', n.nspname, c.relname) as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
         where c.relkind = 'r' and n.nspname not in ('pg_catalog', 'information_schema')`,
      );
      expect(tables.rows.map(({ name }) => name)).toContain('subscription.webhook_secret');
      for (const { name } of tables.rows) {
        const { rows } = await client.query<{ row: string }>(`select t::text as row from ${name} t`);
        const text = rows.map(({ row }) => row).join('\n');
        for (const secret of secrets) {
          if (secret !== '') expect(text.includes(secret), `${name} holds a secret`).toBe(false);
        }
        expect(text, name).not.toMatch(/whsec_|PRIVATE KEY|"d":/);
      }
    } finally {
      await client.end();
    }
  });
});

describe('what the all-in-one makes up for itself', () => {
  it('is kept in files that only their owner can read, and in no log', async () => {
    const system = await AllInOne.start({ LOG_LEVEL: 'trace' });
    try {
      const tenant = await RestClient.create(system.urls, 'demo', 'demo-secret');
      const signing = async () => (await tenant.api('GET', '/client/@me/webhook_secret/')).json as Secret[];
      const [before] = await signing();
      const made: string[] = [];
      for (const name of FILES) {
        const file = join(system.dataDir, name);
        const { mode } = await stat(file);
        expect([name, (mode & 0o777).toString(8)]).toEqual([name, '600']);
        made.push((await readFile(file, 'utf8')).trim());
        expect(made.at(-1)).toMatch(/^[\w-]{32,}$/);
      }
      expect(new Set(made).size).toBe(FILES.length);
      const first = system.process;
      await first.stop();
      await system.restart();
      // The same key again: what was sealed with it can be opened.
      expect(await signing()).toEqual([before]);
      for (const { output } of [first, system.process]) {
        expect(output.length).toBeGreaterThan(1000);
        expect([...made, before!.secret].filter((secret) => output.includes(secret))).toEqual([]);
        expect(output).not.toContain('secrets.development_key');
      }
    } finally {
      await system.remove();
    }
  });
});
