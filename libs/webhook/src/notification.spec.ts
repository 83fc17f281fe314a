import fc from 'fast-check';
import { Webhook } from 'standardwebhooks';
import { describe, expect, it } from 'vitest';
import { traceparentOf } from '#contracts';
import { AddressGuard } from './address-guard.js';
import { checkUrl } from './check-url.js';
import { buildRequest, deliveryId, parseDeliveryId, targetOf, type Notification } from './notification.js';
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
    occurredAt: Date.parse('2026-11-22T10:00:00.123Z'),
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
      'accept-encoding': 'identity',
      // The one that the change has on the topic.
      traceparent: traceparentOf(change),
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

/** What is registered, and what of it goes on the request line. */
const TARGETS: readonly (readonly [registered: string, sent: string])[] = [
  ['/hook?q={"a":1}', '/hook?q=%7B%22a%22:1%7D'],
  ['/hook?a|b', '/hook?a%7Cb'],
  ['/hook?x[]=1&y[k]=2', '/hook?x%5B%5D=1&y%5Bk%5D=2'],
  ['/hook?<a>^`', '/hook?%3Ca%3E%5E%60'],
  ['/{id}/[x]/a|b/^`<">', '/%7Bid%7D/%5Bx%5D/a%7Cb/%5E%60%3C%22%3E'],
  ['/hook?a\\b', '/hook?a%5Cb'],
  ['/a\\b\\..\\c', '/a/c'],
  ['/%2F%zz%?q=%2f%zz%', '/%2F%zz%?q=%2f%zz%'],
  ["/it's;v=1?it's;v=1", "/it's;v=1?it's;v=1"],
  ["/é?é='", "/%C3%A9?%C3%A9='"],
  ['/\u{1f4de}?\u{1f4de}', '/%F0%9F%93%9E?%F0%9F%93%9E'],
  ['/a b?c d', '/a%20b?c%20d'],
  ["/~!$&'()*+,-.:;=@_?~!$&'()*+,-.:;=@_/?", "/~!$&'()*+,-.:;=@_?~!$&'()*+,-.:;=@_/?"],
  ['/a/./b/../c//d', '/a/c//d'],
  ['/a/%2e%2E/b?../x', '/b?../x'],
  ['/hook#f?g', '/hook'],
  ['/hook?a#{f}', '/hook?a'],
  ['?a', '/?a'],
  ['', '/'],
  ['/hook?', '/hook?'],
  ['/hook?a&', '/hook?a&'],
  ['/hook??a', '/hook??a'],
];

describe('the target', () => {
  it.each(TARGETS)('of %s is %s, by POST and by GET', (registered, sent) => {
    const url = `https://example.com${registered}`;
    expect(checkUrl(url, new AddressGuard())).toBeUndefined();
    expect(targetOf(url)).toEqual({ origin: 'https://example.com', path: sent });
    expect(buildRequest(notification({ url })).path).toBe(sent);
    const joined = !sent.includes('?') ? `${sent}?` : /[?&]$/.test(sent) ? sent : `${sent}&`;
    expect(buildRequest(notification({ url, method: 'GET' })).path).toBe(joined + PAIRS);
    // Sent once more it would be the same.
    expect(targetOf(`https://example.com${sent}`).path).toBe(sent);
  });

  it.each([
    ['http://Bücher.example/x', 'http://xn--bcher-kva.example'],
    ['http://почта.рф:8080/', 'http://xn--80a1acny.xn--p1ai:8080'],
    ['https://EXAMPLE.com:443/', 'https://example.com'],
    ['http://[2001:DB8::1]:8080/a', 'http://[2001:db8::1]:8080'],
    ['http://ex%41mple.com/', 'http://example.com'],
  ])('of %s has the origin %s', (url, origin) => {
    expect(targetOf(url).origin).toBe(origin);
  });

  it('is fit for a request line, and read alike, whatever was registered', () => {
    const part = fc.string({
      unit: fc.oneof(fc.constantFrom(...'"<>^`{|}[]\\%?#&/.\'; é'), fc.string({ unit: 'binary', maxLength: 1 })),
    });
    const law = fc.property(part, part, (path, query) => {
      const url = `https://example.com/${path}?${query}`;
      if (checkUrl(url, new AddressGuard()) !== undefined) return;
      const target = targetOf(url);
      expect(target.path).toMatch(/^\/[!$-;=?-Z_a-z~#%]*$/);
      expect(target.path).not.toContain('#');
      // The same resource for whoever decodes it.
      const normal = (text: string) => [...new URL(text).searchParams];
      expect(normal(target.origin + target.path)).toEqual(normal(url));
    });
    fc.assert(law, { numRuns: 2000 });
  });

  it('refuses what is no absolute url', () => {
    expect(() => targetOf('/hook')).toThrow(TypeError);
  });
});

describe('parseDeliveryId', () => {
  it('reads what deliveryId made, and nothing else', () => {
    expect(parseDeliveryId(deliveryId(change, 7))).toEqual({ changeId: change, agentEventId: 7 });
    for (const text of [change, `${change}_`, `${change}_x`, `${change}_4294967296`, `${change}_07`, ` ${change}_7`, '7'])
      expect(parseDeliveryId(text), text).toBeUndefined();
  });
});
