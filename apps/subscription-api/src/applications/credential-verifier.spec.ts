import { beforeEach, describe, expect, it, vi } from 'vitest';
import { hashSecret, type ApplicationRepository } from '#applications';
import { CredentialVerifier } from './credential-verifier.js';

const counted = vi.hoisted(() => ({ hashes: 0 }));

// The real one, counted.
vi.mock('#applications', async (importOriginal) => {
  const real = await importOriginal<typeof import('#applications')>();
  const verifySecret = (secret: string, hash: string): Promise<boolean> => {
    counted.hashes++;
    return real.verifySecret(secret, hash);
  };
  return { ...real, verifySecret };
});

describe('checking credentials', () => {
  let secretHashes: readonly string[] | undefined;
  let verifier: CredentialVerifier;

  beforeEach(() => {
    const findCredentials: ApplicationRepository['findCredentials'] = (appId) =>
      Promise.resolve(
        appId === 'crm' && secretHashes ? { applicationId: 7, clientId: 12, access: 'all', secretHashes } : undefined,
      );
    verifier = new CredentialVerifier({ findCredentials } as ApplicationRepository);
    counted.hashes = 0;
  });

  /** @returns whether the secret was taken, and how many hashes that cost */
  async function check(secret: string, appId = 'crm'): Promise<[boolean, number]> {
    const before = counted.hashes;
    return [(await verifier.verify(appId, secret)) !== undefined, counted.hashes - before];
  }

  it('hashes a right secret once, however often and at the same time it comes', async () => {
    secretHashes = [await hashSecret('secret')];
    const answers = await Promise.all(Array.from({ length: 20 }, () => verifier.verify('crm', 'secret')));
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
    expect(answers[0]).toEqual({ applicationId: 7, appId: 'crm', clientId: 12, access: 'all' });
    expect(counted.hashes).toBe(1);
    expect(await check('secret')).toEqual([true, 0]);
  });

  it('never remembers a wrong one', async () => {
    secretHashes = [await hashSecret('secret')];
    for (let n = 0; n < 2; n++) expect(await check('Secret')).toEqual([false, 1]);
    for (let n = 0; n < 2; n++) expect(await check('secret', 'nobody')).toEqual([false, 1]);
  });

  it('goes by the hashes as they are now', async () => {
    const [old, renewed] = await Promise.all([hashSecret('old'), hashSecret('new')]);
    secretHashes = [old];
    expect(await check('old')).toEqual([true, 1]);
    secretHashes = [renewed, old];
    expect(await check('old')).toEqual([true, 0]);
    expect(await check('new')).toEqual([true, 1]);
    expect(await check('neither')).toEqual([false, 2]);
    secretHashes = [renewed];
    expect(await check('new')).toEqual([true, 0]);
    expect(await check('old')).toEqual([false, 1]);
    secretHashes = undefined;
    expect(await check('new')).toEqual([false, 1]);
  });
});
