import { describe, expect, it } from 'vitest';
import { hashSecret, verifySecret } from './secret-hash.js';

describe('secret hashes', () => {
  it('verify their own secret only, and differ each time', async () => {
    const hash = await hashSecret('secret');
    expect(hash).toMatch(/^\$scrypt\$ln=14,r=8,p=1\$/);
    expect(await verifySecret('secret', hash)).toBe(true);
    expect(await verifySecret('Secret', hash)).toBe(false);
    expect(await hashSecret('secret')).not.toBe(hash);
  });
});
