import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { WebhookSigningKey } from './signature.js';

it('is the HMAC-SHA256 of Node, for any key and content', () => {
  const key = fc.uint8Array({ minLength: 1, maxLength: 200 });
  fc.assert(
    fc.property(key, fc.array(fc.string({ unit: 'binary' }), { minLength: 1 }), (secret, contents) => {
      const signing = new WebhookSigningKey(Buffer.from(secret));
      for (const content of contents) {
        expect(signing.hmac(content)).toBe(createHmac('sha256', secret).update(content).digest('base64'));
      }
    }),
  );
});

it('does not print its secret', () => {
  const key = new WebhookSigningKey(Buffer.from('secret'));
  expect(JSON.stringify({ key })).toBe('{"key":{}}');
});
