import { beforeEach, describe, expect, it, vi } from 'vitest';
import { hashSecret, makeSecret, type ApplicationRepository } from '#applications';
import { CredentialVerifier } from './credential-verifier.js';

const counted = vi.hoisted(() => ({ slow: 0 }));

// The real one, counted.
vi.mock('#applications', async (importOriginal) => {
  const real = await importOriginal<typeof import('#applications')>();
  const verifySecret = (secret: string, hash: string): Promise<boolean> => {
    if (!real.isQuickHash(hash)) counted.slow++;
    return real.verifySecret(secret, hash);
  };
  return { ...real, verifySecret };
});

const FLOOD = 700;
const INGRESS = '10.0.0.1';

describe('checking credentials', () => {
  let applications: Map<string, readonly string[]>;
  let verifier: CredentialVerifier;

  beforeEach(() => {
    applications = new Map();
    const findCredentials: ApplicationRepository['findCredentials'] = (appIds) => {
      const known = appIds.filter((appId) => applications.has(appId));
      return Promise.resolve(
        new Map(
          known.map((appId) => [
            appId,
            { applicationId: 7, clientId: 12, access: 'all' as const, secretHashes: applications.get(appId)! },
          ]),
        ),
      );
    };
    verifier = new CredentialVerifier({ findCredentials } as ApplicationRepository);
    counted.slow = 0;
  });

  const isRight = async (secret: string, appId = 'crm', source = INGRESS): Promise<boolean> =>
    (await verifier.verify([{ appId, secret }], source)) !== undefined;

  /** @returns whether the secret was taken, and how many slow hashes that cost */
  async function check(secret: string, appId = 'crm'): Promise<[boolean, number]> {
    const before = counted.slow;
    return [await isRight(secret, appId), counted.slow - before];
  }

  it('hashes a chosen secret once, however often and at the same time it comes', async () => {
    applications.set('crm', [await hashSecret('secret')]);
    const pair = { appId: 'crm', secret: 'secret' };
    const answers = await Promise.all(Array.from({ length: 20 }, () => verifier.verify([pair], INGRESS)));
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
    expect(answers[0]).toEqual({ applicationId: 7, appId: 'crm', clientId: 12, access: 'all' });
    expect(counted.slow).toBe(1);
    expect(await check('secret')).toEqual([true, 0]);
  });

  it('needs no slow hash for a secret that was made here', async () => {
    const { secret, hash } = await makeSecret();
    applications.set('crm', [hash]);
    expect(await check(secret)).toEqual([true, 0]);
  });

  it('takes the time of one slow hash for whatever is wrong', async () => {
    const [chosen, made] = [await hashSecret('secret'), await makeSecret()];
    applications.set('chosen', [chosen]);
    applications.set('made', [made.hash]);
    await check('secret', 'nobody'); // makes what it is compared with
    for (const round of ['before', 'after'] as const) {
      for (const appId of ['chosen', 'made', 'nobody']) {
        for (let n = 0; n < 2; n++) expect([round, appId, await check('Secret', appId)]).toEqual([round, appId, [false, 1]]);
      }
      expect((await check('secret', 'chosen'))[0]).toBe(true);
    }
  });

  it('goes by the hashes as they are now', async () => {
    const [old, renewed] = await Promise.all([hashSecret('old'), hashSecret('new')]);
    applications.set('crm', [old]);
    expect(await check('old')).toEqual([true, 1]);
    applications.set('crm', [renewed, old]);
    expect(await check('old')).toEqual([true, 0]);
    expect(await check('new')).toEqual([true, 1]);
    expect(await check('neither')).toEqual([false, 1]);
    applications.set('crm', [renewed]);
    expect(await check('new')).toEqual([true, 0]);
    expect(await check('old')).toEqual([false, 1]);
    applications.delete('crm');
    expect(await check('new')).toEqual([false, 1]);
  });

  it('takes whichever reading of a request is right', async () => {
    applications.set('crm', [await hashSecret('a b')]);
    const readings = [
      { appId: 'crm', secret: 'a+b' },
      { appId: 'crm', secret: 'a b' },
    ];
    for (let n = 0; n < 2; n++) expect(await verifier.verify(readings, INGRESS)).toMatchObject({ appId: 'crm' });
    expect(await verifier.verify([], INGRESS)).toBeUndefined();
  });

  it('answers what is right at once in a flood of what is wrong, though all come from the same source', async () => {
    const made = await makeSecret();
    applications.set('crm', [await hashSecret('secret')]);
    applications.set('made', [made.hash]);
    applications.set('cold', [await hashSecret('other')]);
    applications.set('fresh', [await hashSecret('fresh-secret')]);
    expect(await isRight('secret')).toBe(true);
    const wrong: ((n: number) => { appId: string; secret: string })[] = [
      (n) => ({ appId: `nobody-${n}`, secret: 'x' }),
      (n) => ({ appId: 'nobody', secret: `x${n}` }),
      (n) => ({ appId: 'crm', secret: `x${n}` }),
      (n) => ({ appId: 'made', secret: `x${n}` }),
      (n) => ({ appId: 'cold', secret: `x${n}` }),
    ];
    const flood = Promise.allSettled(
      Array.from({ length: FLOOD }, (_, n) => verifier.verify([wrong[n % wrong.length]!(n)], INGRESS)),
    );

    const before = counted.slow;
    for (let n = 0; n < 6; n++) expect([await isRight('secret'), await isRight(made.secret, 'made')]).toEqual([true, true]);
    expect(counted.slow - before).toBeLessThanOrEqual(5); // all of the flood
    // One that was never right here needs a slow hash, and gets its turn instead of coming after all of them.
    expect(await isRight('fresh-secret', 'fresh')).toBe(true);
    expect(counted.slow - before).toBeLessThan(30);

    const results = await flood;
    for (const one of results) {
      if (one.status === 'fulfilled') expect(one.value).toBeUndefined();
      else expect(one.reason).toMatchObject({ code: 'unavailable', headers: { 'retry-after': '1' } });
    }
    expect(results.filter(({ status }) => status === 'rejected').length).toBeGreaterThan(FLOOD / 2);
  }, 180_000);
});
