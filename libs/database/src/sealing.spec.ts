import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createSealer } from './sealing.js';

describe('sealing', () => {
  const sealer = createSealer('a key of some length');

  it('opens what it sealed, and never seals the same way twice', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        const sealed = sealer.seal(text);
        expect(sealer.open(sealed)).toBe(text);
        expect(sealer.seal(text)).not.toBe(sealed);
      }),
    );
  });

  it('tells a wrong key from a damaged text', () => {
    const sealed = sealer.seal('secret');
    expect(() => createSealer('another key, also long').open(sealed)).toThrow(/sealed with key/);
    const [version, key, payload] = sealed.split('.') as [string, string, string];
    const bytes = Buffer.from(payload, 'base64url');
    bytes[bytes.length - 1]! ^= 1;
    expect(() => sealer.open(`${version}.${key}.${bytes.toString('base64url')}`)).toThrow();
    expect(() => sealer.open('plain')).toThrow('not a sealed text');
  });

  it('opens with the keys of before as well, and seals with its own alone', () => {
    const [older, old] = [createSealer('the key before the last'), createSealer('the last key of some length')];
    const next = createSealer('a new key of some length', ['the last key of some length', 'the key before the last']);
    expect([older, old, next].map((one) => next.open(one.seal('secret')))).toEqual(['secret', 'secret', 'secret']);
    expect(next.keyIds).toEqual([next.keyId, old.keyId, older.keyId]);
    expect(next.seal('secret').split('.')[1]).toBe(next.keyId);
    expect(() => old.open(next.seal('secret'))).toThrow(/sealed with key/);
  });

  it('says that it uses the development key', () => {
    expect(createSealer(undefined).isDevelopmentKey).toBe(true);
    expect(sealer.isDevelopmentKey).toBe(false);
  });
});
