import { Webhook } from 'standardwebhooks';
import { describe, expect, it } from 'vitest';
import { buildRequest, deliveryId, targetOf, type Notification } from './notification.js';
import { generateSecret, signingKey } from './signature.js';

const PAIRS = 'agent_status=available&agent_type=local&event_source=api&agent_id=136&extension_name=000*094%40ringme.ru';
const secrets = [generateSecret(), generateSecret()];
const change = '0193570e-7f4b-7a3c-8a2e-3f5c7e9d1b2a';

function notification(over: Partial<Notification> = {}): Notification {
  return {
    method: 'POST',
    url: 'https://example.com/hook',
    pairs: PAIRS,
    id: deliveryId(change, 7),
    attempt: 2,
    sequence: 42,
    occurredAt: new Date('2026-11-22T10:00:00.123Z'),
    at: Date.now(),
    keys: secrets.map(signingKey),
    ...over,
  };
}

describe('the request of an attempt', () => {
  it.each([
    ['https://example.com/hook', `/hook?${PAIRS}`],
    ['https://example.com', `/?${PAIRS}`],
    ['https://example.com/hook?', `/hook?${PAIRS}`],
    ['https://example.com/hook?key=a%20b&x', `/hook?key=a%20b&x&${PAIRS}`],
    ["https://example.com/hook?a='1'&b=%2f#there", `/hook?a='1'&b=%2f&${PAIRS}`],
    ['https://example.com/hook#there?no', `/hook?${PAIRS}`],
    ['https://example.com/hook?имя=я', `/hook?%D0%B8%D0%BC%D1%8F=%D1%8F&${PAIRS}`],
  ])('by GET appends the pairs to the query of %s', (url, path) => {
    const request = buildRequest(notification({ method: 'GET', url }));
    expect(request).toMatchObject({ method: 'GET', origin: 'https://example.com', path, body: undefined });
    expect(request.headers).not.toHaveProperty('content-type');
  });

  it('by POST has the pairs as its body and keeps the query', () => {
    expect(buildRequest(notification({ url: 'http://example.com:8080/hook?key=a%20b&x#f' }))).toMatchObject({
      method: 'POST',
      origin: 'http://example.com:8080',
      path: '/hook?key=a%20b&x',
      body: PAIRS,
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    });
  });

  it('tells the rest in headers', () => {
    const { headers } = buildRequest(notification({ at: 1_795_341_600_999 }));
    expect(headers).toMatchObject({
      'webhook-id': `${change}_7`,
      'webhook-timestamp': '1795341600',
      'webhook-attempt': '2',
      'webhook-sequence': '42',
      'webhook-event-time': '2026-11-22T10:00:00.123Z',
    });
    expect(headers['user-agent']).toMatch(/^Rollcall\/\d+\.\d+\.\d+/);
    expect(headers).not.toHaveProperty('webhook-test');
    expect(buildRequest(notification({ test: true })).headers).toMatchObject({ 'webhook-test': '1' });
  });

  it.each(['GET', 'POST'] as const)('by %s is signed by every secret, as the public verifier wants it', (method) => {
    const { headers } = buildRequest(notification({ method }));
    for (const secret of secrets) {
      const verifier = new Webhook(secret);
      expect(() => verifier.verify(PAIRS, headers, { jsonParse: false })).not.toThrow();
      expect(() => verifier.verify(`${PAIRS}&x`, headers, { jsonParse: false })).toThrow();
    }
    expect(() => new Webhook(generateSecret()).verify(PAIRS, headers, { jsonParse: false })).toThrow();
  });
});

describe('a signing secret', () => {
  it('is refused without telling it when there is no key in it', () => {
    expect(() => signingKey('whsec_')).toThrow(/base64/);
  });
});

describe('the target', () => {
  it('refuses what is no absolute url', () => {
    expect(() => targetOf('/hook')).toThrow(TypeError);
  });
});
