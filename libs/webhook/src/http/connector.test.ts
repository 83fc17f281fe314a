import { once } from 'node:events';
import type { LookupAddress } from 'node:dns';
import { createServer, isIP, type AddressInfo, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { createServer as createTlsServer } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import { BlackHole } from '../../../../test/support/black-hole.js';
import { GOOD, KEY } from '../../../../test/support/certificates.js';
import { eventually } from '../../../../test/support/poll.js';
import { AddressGuard } from '../address-guard.js';
import { describeFailure } from '../failure.js';
import { addressesToTry, createConnector } from './connector.js';
import type { HostLookup } from './host-resolver.js';

const CLIENT = 12;
const GUARD = new AddressGuard(['127.0.0.0/8', '::1']);

const found = (...addresses: string[]): LookupAddress[] => addresses.map((address) => ({ address, family: isIP(address) }));
const answering =
  (...addresses: string[]): HostLookup =>
  () =>
    Promise.resolve(found(...addresses));

describe('the addresses of a name', () => {
  it.each([
    [
      ['1.1.1.1', '2.2.2.2'],
      ['1.1.1.1', '2.2.2.2'],
    ],
    [
      ['1.1.1.1', '2.2.2.2', 'a::1', 'a::2'],
      ['1.1.1.1', 'a::1', '2.2.2.2', 'a::2'],
    ],
    [
      ['a::1', 'a::2', 'a::3', '1.1.1.1'],
      ['a::1', '1.1.1.1', 'a::2', 'a::3'],
    ],
    [
      ['a::1', '1.1.1.1', '2.2.2.2', '3.3.3.3'],
      ['a::1', '1.1.1.1', '2.2.2.2', '3.3.3.3'],
    ],
    [
      ['1.1.1.1', 'a::1', 'a::2', '2.2.2.2'],
      ['1.1.1.1', 'a::1', '2.2.2.2', 'a::2'],
    ],
    [['1.1.1.1', '1.1.1.1'], ['1.1.1.1']],
    [[], []],
  ])('%j are tried as %j', (addresses, expected) => {
    expect(addressesToTry(found(...addresses))).toEqual(expected);
  });

  it('are at most 8', () => {
    const many = Array.from({ length: 20 }, (_, index) => `1.1.1.${index}`);
    expect(addressesToTry(found(...many))).toEqual(many.slice(0, 8));
  });
});

describe('a connection that comes up', () => {
  const servers: Server[] = [];
  const holes: BlackHole[] = [];
  const accepted: Socket[] = [];
  const cleanups: (() => void)[] = [];

  afterEach(async () => {
    for (const cleanup of cleanups.splice(0)) cleanup();
    for (const socket of accepted.splice(0)) socket.destroy();
    for (const server of servers.splice(0)) await once(server.close(), 'close');
    for (const hole of holes.splice(0)) await hole.stop();
  });

  async function listen(address: string, port = 0, server = createServer((socket) => socket.resume())): Promise<number> {
    server.on('connection', (socket: Socket) => accepted.push(socket.on('error', () => undefined)));
    servers.push(server.listen(port, address));
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  }

  async function blackHole(address: string, port = 0): Promise<number> {
    const hole = await BlackHole.open(address, port);
    holes.push(hole);
    return hole.port;
  }

  /** The address that was connected to, or the words of the failure; and after how long, in milliseconds. */
  async function connect(url: string, lookupHost: HostLookup, guard = GUARD): Promise<{ to: string | undefined; ms: number }> {
    const startedAt = performance.now();
    const to = await new Promise<string | undefined>((resolve) => {
      const stop = createConnector(guard, lookupHost)(new URL(url), CLIENT, (error, socket) => {
        resolve(socket ? socket.remoteAddress : describeFailure(error));
        if (socket) cleanups.push(() => socket.destroy());
      });
      cleanups.push(stop);
    });
    return { to, ms: performance.now() - startedAt };
  }

  it('takes the next address when one never answers', async () => {
    const port = await blackHole('127.0.0.11');
    await listen('127.0.0.12', port);
    const { to, ms } = await connect(`http://two.test:${port}/`, answering('127.0.0.11', '127.0.0.12'));
    expect(to).toBe('127.0.0.12');
    expect(ms).toBeGreaterThan(200);
  });

  it('gives no address up for the next one: a slow one wins where the others are dead', async () => {
    const slow = await BlackHole.open('127.0.0.13', 0);
    holes.push(slow);
    await blackHole('127.0.0.14', slow.port);
    await blackHole('127.0.0.15', slow.port);
    // Longer than it takes to start all three; the system itself asks again after 1 s.
    setTimeout(() => slow.accept(), 900);
    const { to } = await connect(`http://slow.test:${slow.port}/`, answering('127.0.0.13', '127.0.0.14', '127.0.0.15'));
    expect(to).toBe('127.0.0.13');
  });

  it('takes the next one at once when one refuses', async () => {
    const port = await listen('127.0.0.17');
    const lookup = answering(...Array.from({ length: 7 }, (_, index) => `127.0.1.${index + 1}`), '127.0.0.17');
    const { to, ms } = await connect(`http://refusing.test:${port}/`, lookup);
    expect(to).toBe('127.0.0.17');
    expect(ms).toBeLessThan(7 * 250);
  });

  it('tries 8 addresses, and no ninth', async () => {
    const port = await listen('127.0.0.18');
    const lookup = answering(...Array.from({ length: 8 }, (_, index) => `127.0.1.${index + 1}`), '127.0.0.18');
    expect((await connect(`http://nine.test:${port}/`, lookup)).to).toBe('connection refused');
    expect(accepted).toEqual([]);
  });

  it('keeps one connection, however many come up', async () => {
    const port = await listen('127.0.0.19');
    await listen('127.0.0.20', port);
    expect((await connect(`http://both.test:${port}/`, answering('127.0.0.19', '127.0.0.20'))).to).toBe('127.0.0.19');
    expect(accepted.length).toBe(1);
  });

  it('asks the guard about every address, those after the first too', async () => {
    const port = await blackHole('127.0.0.21');
    await listen('127.0.0.22', port);
    await listen('127.0.0.23', port);
    const guard = new AddressGuard(['127.0.0.21', '127.0.0.23']);
    expect((await connect(`http://guarded.test:${port}/`, answering('127.0.0.21', '127.0.0.22', '127.0.0.23'), guard)).to).toBe(
      '127.0.0.23',
    );
    expect(accepted.map(({ localAddress }) => localAddress)).toEqual(['127.0.0.23']);
  });

  it('says why when all fail, by the address that was reached', async () => {
    const port = await listen('127.0.0.24');
    expect((await connect(`http://none.test:${port}/`, answering('127.0.0.25', '127.0.0.26'))).to).toBe('connection refused');
    // No route leads out of the loopback to a documentation address.
    const lookup = answering('2001:db8::1', '127.0.0.25');
    const guard = new AddressGuard(['127.0.0.0/8', '2001:db8::/32']);
    expect((await connect(`http://none.test:${port}/`, lookup, guard)).to).toBe('connection refused');
  });

  it.each([
    ['the name', 'host name lookup took longer than 5 s'],
    ['the address', 'no connection within 5 s'],
    ['TLS', 'TLS: no handshake within 5 s'],
  ])('has 5 s in all, and says that it was %s that took them', async (what, words) => {
    const port = what === 'TLS' ? await listen('127.0.0.27') : await blackHole('127.0.0.27');
    const lookup: HostLookup = () => (what === 'the name' ? new Promise(() => undefined) : delay(1500, found('127.0.0.27')));
    const { to, ms } = await connect(`https://late.test:${port}/`, lookup);
    expect(to).toBe(words);
    expect(ms).toBeGreaterThan(4900);
    await eventually('the connection to be closed', () => accepted.every((socket) => socket.closed));
  });

  it('leaves nothing behind when it is given up', async () => {
    const port = await listen('127.0.0.28');
    let called = false;
    const stop = createConnector(GUARD, answering('127.0.0.28'))(
      new URL(`https://given-up.test:${port}/`),
      CLIENT,
      () => (called = true),
    );
    await eventually('it to be connected', () => accepted.length === 1);
    stop();
    await eventually('the connection to be closed', () => accepted[0]!.closed);
    expect(called).toBe(false);
  });

  it.each([
    ['plain HTTP', (socket: Socket) => void socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'), 'TLS: wrong version number'],
    ['nothing but an end', (socket: Socket) => void socket.end(), 'TLS: connection closed during the handshake'],
    ['a reset', (socket: Socket) => void socket.resetAndDestroy(), 'TLS: connection closed during the handshake'],
    ['an alert', (socket: Socket) => void socket.end(Buffer.from('15030300020228', 'hex')), /^TLS: .*alert handshake failure$/],
  ])('tells the reason alone when the answer to TLS is %s', async (_what, behave, words) => {
    const server = createServer((socket) => socket.once('data', () => behave(socket)));
    const port = await listen('127.0.0.29', 0, server);
    const { to } = await connect(`https://tls.test:${port}/`, answering('127.0.0.29'));
    if (typeof words === 'string') expect(to).toBe(words);
    else expect(to).toMatch(words);
    expect(to).not.toMatch(/error:|openssl|\.c/);
  });

  it.each([
    ['a version that is too old', { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const],
    ['no cipher that both know', { maxVersion: 'TLSv1.2', ciphers: 'PSK' } as const],
  ])('tells the reason alone when the receiver offers %s', async (_what, options) => {
    const server = createTlsServer({ cert: GOOD, key: KEY, ...options });
    server.on('tlsClientError', () => undefined);
    const port = await listen('127.0.0.30', 0, server);
    const { to } = await connect(`https://old.test:${port}/`, answering('127.0.0.30'));
    expect(to).toMatch(/^TLS: [a-z0-9/ ]+$/);
  });
});
