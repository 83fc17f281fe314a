import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunningService } from '#runtime';
import { makeSigningKey, signToken } from '#auth';
import { importJWK, type CryptoKey } from 'jose';
import { startTestPresence } from '../../../test/support/presence-service.js';
import { createTestDatabase, type TestDatabase } from '../../../test/support/postgres.js';
import { Instance, report } from './support.js';

const CONNECTIONS = 32;
const FLOODER = '1001';

/** Contract §7.5 at the way in: what one client sends too much of is its own affair. */
describe('a flood of telemetry of one client', () => {
  let database: TestDatabase;
  let instance: Instance;
  let presence: RunningService;
  let token: string;

  beforeAll(async () => {
    database = await createTestDatabase();
    instance = await Instance.connect(database.url, 2);
    const { kid, publicJwk, privateJwk } = await makeSigningKey();
    await instance.pool.query('insert into access.signing_key (kid, public_jwk, private_jwk_sealed) values ($1, $2, $3)', [
      kid,
      publicJwk,
      '',
    ]);
    const { rows } = await instance.pool.query<{ id: number }>(
      `insert into access.application (app_id, client_id, access, secret_hash) values ('platform', 12, 'platform', '') returning id`,
    );
    const key = { kid, privateKey: (await importJWK(privateJwk, 'ES256')) as CryptoKey };
    token = await signToken({ applicationId: rows[0]!.id, appId: 'platform', clientId: 12, access: 'platform' }, key);
    presence = await startTestPresence(database.url, { DATABASE_POOL: 10 });
  });

  afterAll(async () => {
    await presence.stop();
    await instance.close();
    await database.drop();
  });

  async function post(items: unknown): Promise<{ status: number; retryAfter: string | null; body: unknown }> {
    const response = await fetch(`${presence.url}/telemetry`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: JSON.stringify(items),
    });
    return { status: response.status, retryAfter: response.headers.get('retry-after'), body: await response.json() };
  }

  /** A thousand items that all change something, of agents of that connection and round alone. */
  const changes = (connection: number, round: number, client_id = FLOODER): object[] =>
    Array.from({ length: 1000 }, (_, n) =>
      report(connection * 1000 + n, round % 2 === 0 ? 'available' : 'logged_out', { client_id }),
    );

  it('leaves the others their answers, in order, and soon', async () => {
    let flooding = true;
    let taken = 0;
    const statuses = new Set<number>();
    const flood = Promise.all(
      Array.from({ length: CONNECTIONS }, async (_, connection) => {
        for (let round = 0; flooding;) {
          const { status, retryAfter, body } = await post(changes(connection, round));
          statuses.add(status);
          if (status === 200) {
            taken += 1;
            round += 1;
          } else {
            expect({ status, retryAfter, body }).toMatchObject({ retryAfter: '1', body: { status: 'rate_limit_exceeded' } });
            await new Promise((resolve) => setTimeout(resolve, 100));
          }
        }
      }),
    );
    const startedAt = performance.now();
    for (let n = 0; n < 10; n++) {
      expect(await post(report(7, n % 2 === 0 ? 'available' : 'logged_out', { client_id: '2002' }))).toMatchObject({
        status: 200,
        body: [{ result: 'changed', sequence: n + 1 }],
      });
    }
    const tookMs = (performance.now() - startedAt) / 10;
    flooding = false;
    await flood;
    expect(taken).toBeGreaterThan(0);
    expect(statuses).toEqual(new Set([200, 429]));
    // Behind tens of thousands of the flooder's items each would take as long as all of them.
    expect(tookMs).toBeLessThan(5000);
    // Nothing that was refused was done: each agent has changed once for each time that its array was taken.
    const { rows } = await instance.pool.query<{ changes: number }>(
      'select sum(sequence)::integer as changes from presence.agent where client_id = $1',
      [FLOODER],
    );
    expect(rows).toEqual([{ changes: taken * 1000 }]);
  }, 120_000);
});
