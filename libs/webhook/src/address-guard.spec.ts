import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AddressGuard, isPublicAddress } from './address-guard.js';
import { checkUrl } from './check-url.js';

const REFUSED = [
  ...['0.0.0.0', '0.1.2.3', '10.0.0.1', '100.64.0.1', '100.100.100.200', '127.0.0.1', '127.255.255.255', '169.254.169.254'],
  ...['172.16.0.1', '172.31.255.255', '192.0.0.192', '192.0.2.1', '192.88.99.1', '192.168.1.1', '198.18.0.1', '198.19.255.255'],
  ...['198.51.100.1', '203.0.113.1', '224.0.0.1', '239.255.255.255', '240.0.0.1', '255.255.255.255', '168.63.129.16'],
  ...['::', '::1', '::ffff:127.0.0.1', '::ffff:10.0.0.1', '::ffff:7f00:1', '::127.0.0.1', '64:ff9b::10.0.0.1', '64:ff9b::7f00:1'],
  ...['64:ff9b:1::1', '100::1', '2001::1', '2001:db8::1', '2001:10::1', '2002:7f00:1::', '2002:808:808::', '3fff::1', '5f00::1'],
  ...[
    'fc00::1',
    'fd00:ec2::254',
    'fe80::1',
    'fe80::1%eth0',
    'fec0::1',
    'ff02::1',
    '4000::1',
    '::ffff:0:127.0.0.1',
    'localhost',
    '',
  ],
];
const ALLOWED = [
  '1.1.1.1',
  '8.8.8.8',
  '93.184.216.34',
  '172.32.0.1',
  '100.128.0.1',
  '2606:4700::1111',
  '2a00:1450::1',
  '::ffff:8.8.8.8',
  '64:ff9b::8.8.8.8',
];

describe('the address guard', () => {
  const guard = new AddressGuard();

  it('allows every port, or those in its ranges', () => {
    for (const port of [1, 25, 80, 443, 65_535]) expect(guard.allowsPort(port)).toBe(true);
    const some = new AddressGuard(
      ['127.0.0.0/8'],
      [
        { from: 443, to: 443 },
        { from: 8000, to: 8999 },
      ],
    );
    expect([25, 80, 442, 443, 444, 7999, 8000, 8999, 9000].filter((port) => some.allowsPort(port))).toEqual([443, 8000, 8999]);
    expect(checkUrl('https://example.com/', some)).toBeUndefined();
    expect(checkUrl('http://example.com:8080/', some)).toBeUndefined();
    expect(checkUrl('http://example.com/', some)).toBe('destination port 80 is not allowed');
    expect(checkUrl('http://127.0.0.1:25/', some)).toBe('destination port 25 is not allowed'); // exempt by its address only
  });

  it.each(REFUSED)('refuses %s', (address) => {
    expect(guard.allows(address)).toBe(false);
    expect(isPublicAddress(address)).toBe(false);
  });

  it.each(ALLOWED)('allows %s', (address) => {
    expect(guard.allows(address)).toBe(true);
  });

  it('allows what is exempt, in every form of it, and nothing else', () => {
    const exempting = new AddressGuard(['127.0.0.0/8', '::1', '10.1.0.0/16', 'fd00::/8']);
    for (const address of ['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1', '10.1.2.3', 'fd12::1']) {
      expect(exempting.allows(address)).toBe(true);
    }
    for (const address of ['10.2.0.1', '192.168.0.1', '::2', 'fe80::1']) expect(exempting.allows(address)).toBe(false);
  });

  it('names an exemption that is none', () => {
    expect(() => new AddressGuard(['10.0.0.0/8', 'loopback'])).toThrow('ALLOW_DESTINATIONS: "loopback"');
  });

  it('sees an IPv4 address the same through its mapped and NAT64 forms', () => {
    fc.assert(
      fc.property(fc.ipV4(), (address) => {
        const plain = guard.allows(address);
        expect(guard.allows(`::ffff:${address}`)).toBe(plain);
        expect(guard.allows(`64:ff9b::${address}`)).toBe(plain);
      }),
    );
  });
});

describe('a url at registration', () => {
  const guard = new AddressGuard();

  it.each([
    'https://example.com',
    'http://example.com:8080/a?b=c&d=e f#g',
    'HTTPS://EXAMPLE.COM/',
    'https://8.8.8.8/',
    'https://[2606:4700::1111]/',
    'https://пример.рф/',
  ])('may be %s', (url) => {
    expect(checkUrl(url, guard)).toBeUndefined();
  });

  it.each([
    ['', /absolute/],
    ['example.com/hook', /absolute/],
    ['//example.com', /absolute/],
    ['ftp://example.com', /absolute/],
    ['http:example.com', /absolute/],
    ['https://', /absolute/],
    ['http:///hook', /absolute/],
    ['https://exa mple.com', /absolute/],
    ['https://example.com:99999', /absolute/],
    ['https://example.com:0/', /port 0/],
    ['https://user:pass@example.com/', /credentials/],
    ['https://user@example.com/', /credentials/],
    [' https://example.com', /control/],
    ['https://example.com/\nx', /control/],
    ['https://example.com/\0', /control/],
    ['https://example.com/\ud800', /control/],
    [`https://example.com/${'a'.repeat(2048)}`, /2048/],
    ['http://127.0.0.1/', /destination 127\.0\.0\.1 is not a public address/],
    ['http://2130706433/', /127\.0\.0\.1/],
    ['http://0x7f.1/', /127\.0\.0\.1/],
    ['http://0177.0.0.1/', /127\.0\.0\.1/],
    ['http://127.1/', /127\.0\.0\.1/],
    ['http://[::1]/', /::1/],
    ['http://[::ffff:169.254.169.254]/', /not a public/],
    ['http://localhost:3000/', /127\.0\.0\.1/],
    ['http://api.localhost./', /127\.0\.0\.1/],
  ])('may not be %j', (url, reason) => {
    expect(checkUrl(url, guard)).toMatch(reason);
  });

  it('may lead to what is exempt', () => {
    const loopback = new AddressGuard(['127.0.0.0/8']);
    expect(checkUrl('http://localhost:3003/', loopback)).toBeUndefined();
    expect(checkUrl('http://2130706433/', loopback)).toBeUndefined();
    expect(checkUrl('http://[::1]/', loopback)).toBeDefined();
  });
});
