import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { call, type Answer } from '../../../../test/support/client.js';
import { ApiFixture } from '../../../../test/support/subscription-api.js';

const PAGE = '<!doctype html><title>Rollcall</title>';
const SCRIPT = 'console.log("a script that is long enough to be told from its compressed form");'.repeat(20);

describe('the console', () => {
  let directory: string;
  let api: ApiFixture;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'rollcall-console-'));
    await mkdir(join(directory, 'assets'));
    await mkdir(join(directory, '.vite'));
    await writeFile(join(directory, 'index.html'), PAGE);
    await writeFile(join(directory, 'assets', 'index-1.js'), SCRIPT);
    await writeFile(join(directory, 'assets', 'index-1.js.gz'), gzipSync(SCRIPT));
    await writeFile(join(directory, '.vite', 'manifest.json'), '{}');
    api = await ApiFixture.start({}, { consoleDirectory: directory });
  });

  afterAll(async () => {
    await api.stop();
    await rm(directory, { recursive: true, force: true });
  });

  const get = (path: string, init: RequestInit = {}): Promise<Answer> => call(`${api.url}${path}`, init);

  it('is where / leads', async () => {
    const answer = await get('/');
    expect([answer.status, answer.headers.get('location')]).toEqual([302, '/console/']);
  });

  it.each(['/console', '/console/', '/console/board', '/console/deliveries/0199aa_7?status=failed', '/console/playground'])(
    'answers %s with its page, which may run nothing but its own scripts',
    async (path) => {
      const answer = await get(path);
      expect([answer.status, answer.headers.get('content-type'), answer.text]).toEqual([200, 'text/html; charset=utf-8', PAGE]);
      expect(answer.headers.get('cache-control')).toBe('no-cache');
      const policy = answer.headers.get('content-security-policy');
      expect(policy).toContain("default-src 'none'; script-src 'self'; style-src 'self'");
      expect(policy).toContain("frame-ancestors 'none'");
      expect(policy).not.toContain('unsafe');
    },
  );

  it('has files kept for a year, since their names change with what is in them', async () => {
    const answer = await get('/console/assets/index-1.js');
    expect([answer.status, answer.text]).toEqual([200, SCRIPT]);
    expect(answer.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
    expect(answer.headers.get('content-type')).toContain('javascript');
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
  });

  it('sends what was compressed in advance', async () => {
    const answer = await get('/console/assets/index-1.js', { headers: { 'accept-encoding': 'gzip' } });
    expect([answer.headers.get('content-encoding'), answer.text]).toEqual(['gzip', SCRIPT]);
    expect(answer.headers.get('vary')).toContain('accept-encoding');
  });

  it.each([
    '/console/assets/index-2.js',
    '/console/index.html',
    '/console/.vite/manifest.json',
    '/console/assets/..%2f..%2fpackage.json',
    '/console/playground/received',
  ])('has nothing at %s', async (path) => {
    const answer = await get(path);
    expect([answer.status, answer.json]).toEqual([404, { message: expect.any(String) as string, status: 'not_found' }]);
  });

  it('serves GET and HEAD alone', async () => {
    const posted = await get('/console/board', { method: 'POST' });
    expect([posted.status, posted.headers.get('allow')]).toEqual([405, 'GET, HEAD, OPTIONS']);
    expect((await get('/console/', { method: 'HEAD' })).status).toBe(200);
  });

  it('is not there where CONSOLE is off', async () => {
    const without = await ApiFixture.startService(api.database.url, { CONSOLE: false }, { consoleDirectory: directory });
    try {
      for (const path of [
        '/',
        '/console',
        '/console/',
        '/console/board',
        '/console/config.json',
        '/console/playground/received',
      ]) {
        expect([path, (await call(`${without.url}${path}`)).status]).toEqual([path, 404]);
      }
    } finally {
      await without.stop();
    }
  });

  it('is not there where it was not built', async () => {
    const unbuilt = await ApiFixture.startService(api.database.url, {}, { consoleDirectory: join(directory, 'nowhere') });
    try {
      expect([(await call(`${unbuilt.url}/`)).status, (await call(`${unbuilt.url}/console/`)).status]).toEqual([404, 404]);
    } finally {
      await unbuilt.stop();
    }
  });
});
