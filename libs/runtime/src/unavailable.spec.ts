import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { isUnavailable } from './unavailable.js';

const withCode = (code: string): Error => Object.assign(new Error('of the server'), { code });

it.each([
  ['a statement that took too long', '57014'],
  ['a wait for a lock that took too long', '55P03'],
  ['a transaction that was idle for too long', '25P03'],
  ['a transaction that took too long', '25P04'],
  ['a deadlock', '40P01'],
  ['a server that shuts down', '57P01'],
  ['no memory for more locks', '53200'],
])('takes %s for "not now", also as TypeORM wraps it', (_what, code) => {
  expect(isUnavailable(withCode(code))).toBe(true);
  expect(isUnavailable(Object.assign(new Error('wrapped'), { driverError: withCode(code) }))).toBe(true);
});

it.each([
  ['a check that is violated', '23514'],
  ['a statement that is wrong', '42601'],
  ['a statement after one that failed', '25P02'],
])('takes %s for a fault of ours', (_what, code) => {
  expect(isUnavailable(withCode(code))).toBe(false);
});

it('takes a Unix socket that is not there for "not now", and a file that is not there for a fault of ours', async () => {
  const path = join(tmpdir(), randomUUID());
  const [refused] = (await once(connect(path), 'error')) as [Error];
  expect(isUnavailable(refused)).toBe(true);
  const missing = await readFile(path).catch((error: unknown) => error);
  expect(missing).toMatchObject({ code: 'ENOENT' });
  expect(isUnavailable(missing)).toBe(false);
});
