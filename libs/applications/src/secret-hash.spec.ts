import { describe, expect, it } from 'vitest';
import { hashSecret, isQuickHash, makeSecret, verifySecret } from './secret-hash.js';

describe('secret hashes', () => {
  it('verify their own secret only, and differ each time', async () => {
    const hash = await hashSecret('secret');
    expect(hash).toMatch(/^\$scrypt\$ln=14,r=8,p=1\$/);
    expect(await verifySecret('secret', hash)).toBe(true);
    expect(await verifySecret('Secret', hash)).toBe(false);
    expect(await hashSecret('secret')).not.toBe(hash);
  });

  it('are slow for what somebody chose, and quick for what was made here', async () => {
    const { secret, hash } = await makeSecret();
    expect(isQuickHash(hash)).toBe(true);
    expect(isQuickHash(await hashSecret(secret))).toBe(false);
    expect(await verifySecret(secret, hash)).toBe(true);
    expect(await verifySecret(`${secret}.`, hash)).toBe(false);
  });
});
