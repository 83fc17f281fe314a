import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import tls, { createServer as createTlsServer } from 'node:tls';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { AddressGuard, buildRequest, encodePairs, generateSecret, signingKey, WebhookClient } from '#webhook';
import { AUTHORITY, EXPIRED, GOOD, KEY, NOT_YET_VALID, OF_ANOTHER_HOST } from '../support/certificates.js';
import { DnsServer } from '../support/dns-server.js';
import { DispatcherWorld } from '../support/dispatcher-world.js';
import { eventually } from '../support/poll.js';
import { atOnce } from '../support/send-terms.js';
import { RecordingReceiver } from '../support/receiver.js';
import { SELF_SIGNED } from '../support/self-signed.js';

/** Stands for the public internet: the one address that the guard lets through. The rest of loopback is the inside. */
const PUBLIC = '127.0.0.2';
const INSIDE = '127.0.0.1';
const keys = [signingKey(generateSecret())];

function request(url: string, method: 'GET' | 'POST' = 'POST', pairs = 'a=b') {
  return buildRequest({ method, url, pairs, id: 'x_1', attempt: 1, sequence: 1, occurredAt: 0, at: 0, keys });
}

describe('the outgoing guard, where connections are made', () => {
  let dns: DnsServer;
  let outside: Server;
  let inside: Server;
  let port: number;
  let client: WebhookClient;
  const hits = { outside: 0, inside: 0 };
  let answer: (response: ServerResponse) => void;

  beforeAll(async () => {
    dns = await DnsServer.start();
    outside = createServer((_request, response) => {
      hits.outside++;
      answer(response.setHeader('connection', 'close'));
    }).listen(0, PUBLIC);
    await once(outside, 'listening');
    ({ port } = outside.address() as AddressInfo);
    // The same port, so that only the address tells them apart.
    inside = createServer((_request, response) => {
      hits.inside++;
      response.end('inside');
    }).listen(port, INSIDE);
    await once(inside, 'listening');
    const guard = new AddressGuard([PUBLIC]);
    client = new WebhookClient({ guard, timeoutMs: 3000, connectionsPerOrigin: 2, lookupHost: dns.lookup });
  });

  afterAll(async () => {
    await client.close();
    await dns.stop();
    for (const server of [outside, inside]) await once(server.close(), 'close');
  });

  beforeEach(() => {
    hits.outside = hits.inside = 0;
    answer = (response) => response.end('outside');
  });

  const refused = (address: string): unknown =>
    expect.objectContaining({ error: `destination ${address} is not a public address` });

  it.each([
    [INSIDE],
    ['10.0.0.1'],
    ['169.254.169.254'],
    ['100.64.0.1'],
    ['224.0.0.1'],
    ['0.0.0.0'],
    ['::1'],
    ['::'],
    ['fd00:ec2::254'],
    ['fe80::1'],
    ['::ffff:127.0.0.1'],
    ['64:ff9b::7f00:1'],
    ['2002:7f00:1::'],
  ])('refuses a name that resolves to %s', async (address) => {
    dns.set('private.test', () => [address]);
    expect(await client.send(request(`http://private.test:${port}/`), atOnce())).toMatchObject({
      error: expect.stringMatching(/^destination \S+ is not a public address$/) as string,
    });
    expect(hits).toEqual({ outside: 0, inside: 0 });
  });

  it.each([[[INSIDE, PUBLIC]], [[PUBLIC, INSIDE]], [['::1', PUBLIC, '10.0.0.1']]])(
    'connects to the public one only when a name has %j',
    async (addresses) => {
      dns.set('mixed.test', () => addresses);
      for (let i = 0; i < 5; i++)
        expect(await client.send(request(`http://mixed.test:${port}/`), atOnce())).toMatchObject({ status: 200 });
      expect(hits).toEqual({ outside: 5, inside: 0 });
    },
  );

  it('does not turn to the private address when the public one does not answer', async () => {
    dns.set('fallback.test', () => [PUBLIC, INSIDE]);
    const lonely = createServer((_request, response) => {
      hits.inside++;
      response.end();
    }).listen(0, INSIDE);
    await once(lonely, 'listening');
    const { port: onlyInside } = lonely.address() as AddressInfo;
    const result = await client.send(request(`http://fallback.test:${onlyInside}/`), atOnce());
    await once(lonely.close(), 'close');
    expect(result).toMatchObject({ error: 'connection refused' });
    expect(hits.inside).toBe(0);
  });

  it('connects to the address that was checked, when the name changes in between', async () => {
    dns.set('rebinding.test', (nth) => [nth % 2 === 1 ? PUBLIC : INSIDE]);
    for (let i = 1; i <= 6; i++) {
      const result = await client.send(request(`http://rebinding.test:${port}/`), atOnce());
      // One question a connection: there is no second answer that could differ from the one that was judged.
      expect(dns.questions('rebinding.test')).toBe(i);
      expect(result).toEqual(i % 2 === 1 ? expect.objectContaining({ status: 200, body: 'outside' }) : refused(INSIDE));
    }
    expect(hits).toEqual({ outside: 3, inside: 0 });
  });

  it.each([301, 302, 303, 307, 308])('does not follow a redirect (%i) inside', async (status) => {
    dns.set('redirect.test', () => [PUBLIC]);
    answer = (response) => response.writeHead(status, { location: `http://${INSIDE}:${port}/` }).end();
    expect(await client.send(request(`http://redirect.test:${port}/`), atOnce())).toMatchObject({ status });
    expect(hits).toEqual({ outside: 1, inside: 0 });
  });

  it.each([
    '2130706433',
    '0x7f000001',
    '0x7f.1',
    '0177.0.0.1',
    '127.1',
    '[::ffff:127.0.0.1]',
    '[64:ff9b::7f00:1]',
    '[2002:7f00:1::]',
  ])('refuses the host %s', async (host) => {
    expect(await client.send(request(`http://${host}:${port}/`), atOnce())).toMatchObject({
      error: expect.stringMatching(/^destination \S+ is not a public address$/) as string,
    });
    expect(hits.inside).toBe(0);
  });

  it('connects to ports that are allowed only, by name and by address', async () => {
    dns.set('ports.test', () => [PUBLIC]);
    const narrow = new WebhookClient({
      guard: new AddressGuard([PUBLIC], [{ from: port, to: port }]),
      timeoutMs: 3000,
      connectionsPerOrigin: 2,
      lookupHost: dns.lookup,
    });
    try {
      for (const method of ['GET', 'POST'] as const) {
        for (const host of ['ports.test', PUBLIC]) {
          expect(await narrow.send(request(`http://${host}:${port}/`, method), atOnce())).toMatchObject({ status: 200 });
          for (const [url, refusedPort] of [
            [`http://${host}:${port - 1}/`, port - 1],
            [`http://${host}/`, 80],
            [`https://${host}/`, 443],
          ] as const) {
            expect(await narrow.send(request(url, method), atOnce())).toMatchObject({
              error: `destination port ${refusedPort} is not allowed`,
            });
          }
        }
      }
    } finally {
      await narrow.close();
    }
    // Nobody was asked for the address of what was refused.
    expect([hits, dns.questions('ports.test')]).toEqual([{ outside: 4, inside: 0 }, 2]);
  });

  /** Sends to a server that shows this certificate; whether it got a request. */
  async function sendSecurely(cert: string, key: string, url: (port: number) => string) {
    let seen = 0;
    const server = createHttpsServer({ cert, key }, (_request, response) => {
      seen++;
      response.setHeader('connection', 'close').end();
    }).listen(0, PUBLIC);
    await once(server, 'listening');
    const { port: securePort } = server.address() as AddressInfo;
    dns.set('secure.test', () => [PUBLIC]);
    const result = await client.send(request(url(securePort)), atOnce());
    await once(server.close(), 'close');
    return { result, seen };
  }
  const byName = (at: number) => `https://secure.test:${at}/`;

  it.each([
    ['its own', SELF_SIGNED.cert, SELF_SIGNED.key, 'TLS: self-signed certificate'],
    ['an authority that is not trusted', GOOD, KEY, 'TLS: unable to verify the first certificate'],
    ['that authority, with its certificate', `${GOOD}\n${AUTHORITY}`, KEY, 'TLS: self-signed certificate in certificate chain'],
  ])('takes no certificate that nobody vouches for: %s', async (_whose, cert, key, error) => {
    const { result, seen } = await sendSecurely(cert, key, byName);
    expect(result).toMatchObject({ error });
    expect(seen).toBe(0);
  });

  // As NODE_EXTRA_CA_CERTS does when a process starts; Node can do it later from version 22.19 on.
  describe.skipIf(!('setDefaultCACertificates' in tls))('with an authority that is trusted', () => {
    let before: string[];

    beforeAll(() => {
      before = tls.getCACertificates('default');
      tls.setDefaultCACertificates([...before, AUTHORITY]);
    });

    afterAll(() => tls.setDefaultCACertificates(before));

    it('takes a certificate of it', async () => {
      const { result, seen } = await sendSecurely(GOOD, KEY, byName);
      expect([result, seen]).toEqual([expect.objectContaining({ status: 200 }), 1]);
    });

    it('keeps a connection over TLS too, and replaces one that ends when it is used again', async () => {
      const connections: number[] = [];
      let opened = 0;
      const server = createTlsServer({ cert: GOOD, key: KEY }, (socket) => {
        const nth = ++opened;
        let requests = 0;
        socket.on('error', () => undefined);
        socket.on('data', () => {
          connections.push(nth);
          if (nth === 1 && ++requests === 3) socket.destroy();
          else socket.write('HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
        });
      }).listen(0, PUBLIC);
      await once(server, 'listening');
      dns.set('secure.test', () => [PUBLIC]);
      const url = byName((server.address() as AddressInfo).port);
      const own = new WebhookClient({
        guard: new AddressGuard([PUBLIC]),
        timeoutMs: 9000,
        connectionsPerOrigin: 2,
        lookupHost: dns.lookup,
      });
      try {
        for (let i = 0; i < 4; i++) expect(await own.send(request(url), atOnce())).toMatchObject({ status: 200 });
        expect(connections).toEqual([1, 1, 1, 2, 2]);
      } finally {
        await own.close();
        await once(server.close(), 'close');
      }
    });

    it.each([
      ['expired', EXPIRED, byName, 'TLS: certificate has expired'],
      ['not valid yet', NOT_YET_VALID, byName, 'TLS: certificate is not yet valid'],
      ['of another host', OF_ANOTHER_HOST, byName, "TLS: Hostname/IP does not match certificate's altnames"],
      [
        'of a name, where an address is called',
        GOOD,
        (at: number) => `https://${PUBLIC}:${at}/`,
        'TLS: Hostname/IP does not match',
      ],
    ])('takes none that is %s', async (_what, cert, url, error) => {
      const { result, seen } = await sendSecurely(cert, KEY, url);
      expect(result).toMatchObject({ error: expect.stringContaining(error) as string });
      expect(seen).toBe(0);
    });
  });
});

describe('an agent event that was registered before DESTINATION_PORTS were narrowed', () => {
  it('fails visibly', async () => {
    const world = await DispatcherWorld.create();
    const receiver = await RecordingReceiver.start();
    try {
      const event = await world.subscribe(136, `${receiver.url}/`);
      await world.start({ DESTINATION_PORTS: [{ from: 443, to: 443 }], DELIVERY_RETRY_SCHEDULE: [20] });
      await world.change(136);
      const error = `destination port ${new URL(receiver.url).port} is not allowed`;
      await eventually('it to be given up', async () => (await world.attempts(event)).at(-1)?.outcome === 'failed');
      expect(await world.attempts(event)).toMatchObject([
        { outcome: 'retry', error },
        { outcome: 'failed', error },
      ]);
      expect(receiver.requests).toEqual([]);
    } finally {
      await world.remove();
      await receiver.stop();
    }
  });
});

describe('agent names', () => {
  let receiver: RecordingReceiver;
  let client: WebhookClient;

  beforeAll(async () => {
    receiver = await RecordingReceiver.start();
    client = new WebhookClient({ guard: new AddressGuard([INSIDE]), timeoutMs: 5000, connectionsPerOrigin: 1 });
  });

  afterAll(async () => {
    await client.close();
    await receiver.stop();
  });

  const hostile = fc.constantFrom(
    '\r\n',
    '\n',
    '\0',
    '&',
    '=',
    '#',
    '?',
    '%0d%0a',
    ' HTTP/1.1\r\nHost: evil\r\n\r\nGET / ',
    '+',
    '\ud800',
  );
  const name = fc
    .array(fc.oneof(hostile, fc.string({ unit: 'binary', maxLength: 20 })), { minLength: 1, maxLength: 8 })
    .map((parts) => parts.join(''));

  it('reach the receiver as one value, and change nothing else of the request', async () => {
    const expected = { GET: await headerNames('GET'), POST: await headerNames('POST') };
    await fc.assert(
      fc.asyncProperty(name, fc.constantFrom('GET', 'POST'), async (value, method) => {
        const before = receiver.requests.length;
        const pairs = pairsOf(value);
        expect(await client.send(request(`${receiver.url}/hook?x=1`, method, pairs), atOnce())).toMatchObject({ status: 200 });
        expect(receiver.requests.length).toBe(before + 1);
        const got = receiver.requests.at(-1)!;
        expect([got.method, Object.keys(got.headers).sort()]).toEqual([method, expected[method]]);
        expect(got.url).toBe(method === 'GET' ? `/hook?x=1&${pairs}` : '/hook?x=1');
        const read = new URLSearchParams(method === 'GET' ? got.url.slice('/hook?x=1&'.length) : got.body);
        expect([...read.keys()]).toEqual(['agent_status', 'agent_type', 'event_source', 'agent_id', 'extension_name']);
        expect(read.get('extension_name')).toBe(value.toWellFormed());
      }),
      { numRuns: 300 },
    );
  });

  async function headerNames(method: 'GET' | 'POST'): Promise<string[]> {
    await client.send(request(`${receiver.url}/hook?x=1`, method, pairsOf('plain')), atOnce());
    return Object.keys(receiver.requests.at(-1)!.headers).sort();
  }

  function pairsOf(value: string): string {
    return encodePairs({ agentStatus: 'available', agentType: 'local', eventSource: 'api', agentId: 136, name: value });
  }
});
