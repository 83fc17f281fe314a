import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pino } from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import { IssuerKeys } from './issuer-keys.js';

const JWKS = { keys: [{ kty: 'EC', crv: 'P-256', kid: 'a', x: 'AAAA', y: 'AAAA' }] };

describe('the keys of an issuer', () => {
  const servers: Server[] = [];
  let reasons: string[] = [];

  afterEach(async () => {
    for (const server of servers.splice(0)) {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    }
  });

  async function keysOf(answer: (path: string, response: ServerResponse, url: string) => void): Promise<IssuerKeys> {
    reasons = [];
    const logger = pino(
      { level: 'warn' },
      { write: (line) => void reasons.push((JSON.parse(line) as { err: Error }).err.message) },
    );
    const server = createServer((request, response) => answer(request.url!, response, url)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    servers.push(server);
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    return new IssuerKeys(url, logger);
  }

  const json = (response: ServerResponse, value: unknown): unknown => response.end(JSON.stringify(value));

  it('are read once for all who ask, and stay the same object', async () => {
    const paths: string[] = [];
    const keys = await keysOf((path, response, url) => {
      paths.push(path);
      json(response, path === '/jwks' ? JWKS : { issuer: url, jwks_uri: `${url}/jwks` });
    });
    const [one, ...others] = await Promise.all([keys.get(), keys.get(), keys.get()]);
    for (const other of [...others, await keys.get(), await keys.getNewer()]) expect(other).toBe(one);
    expect(paths).toEqual(['/.well-known/openid-configuration', '/jwks']);
  });

  it.each<[string, Parameters<typeof keysOf>[0], RegExp]>([
    ['redirects', (_path, response) => response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end(), /answered 302/],
    ['fails', (_path, response) => response.writeHead(500).end(), /answered 500/],
    [
      'talks of another',
      (_path, response, url) => json(response, { issuer: `${url}/`, jwks_uri: `${url}/jwks` }),
      /names itself/,
    ],
    ['sends elsewhere', (_path, response, url) => json(response, { issuer: url, jwks_uri: 'http://example.org/' }), /jwks_uri/],
    ['names no keys', (_path, response, url) => json(response, { issuer: url }), /jwks_uri/],
    ['talks nonsense', (_path, response) => response.end('<html>'), /JSON/],
    [
      'has no key set',
      (path, response, url) => json(response, path === '/jwks' ? { keys: 1 } : { issuer: url, jwks_uri: `${url}/jwks` }),
      /JSON Web Key Set/,
    ],
    ['hangs', () => undefined, /timeout/],
  ])('are not there when the issuer %s, which is logged and not asked again at once', async (_what, answer, reason) => {
    let asked = 0;
    const keys = await keysOf((path, response, url) => {
      asked++;
      answer(path, response, url);
    });
    await expect(keys.get()).rejects.toMatchObject({ code: 'unavailable', headers: { 'retry-after': '2' } });
    const before = asked;
    await expect(keys.getNewer()).rejects.toMatchObject({ code: 'unavailable' });
    expect(asked).toBe(before);
    expect(reasons).toEqual([expect.stringMatching(reason)]);
  });
});
