import { describe, expect, it } from 'vitest';
import { createSealer, resealAll } from './index.js';

describe('sealing anew', () => {
  const sealer = createSealer('the key of today', ['the key of yesterday']);
  const sealed = createSealer('the key of yesterday').seal('whsec_x');

  it('ends with the error of a connection that breaks, and blames no key for it', async () => {
    const broken = new Error('Connection terminated unexpectedly');
    const query = (sql: string) => (sql.startsWith('update') ? Promise.reject(broken) : Promise.resolve([{ key: '1', sealed }]));
    await expect(resealAll(query, sealer)).rejects.toBe(broken);
  });
});
