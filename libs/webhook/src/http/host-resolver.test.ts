import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DnsServer } from '../../../../test/support/dns-server.js';
import { eventually } from '../../../../test/support/poll.js';
import { HostResolver } from './host-resolver.js';

const CLIENT = 12;
const OTHER = 13;
/** Shares so many lookups at once; the next has to wait. */
const NAMES_AT_ONCE = 16;

describe('finding hosts', () => {
  let dns: DnsServer;
  let directory: string;
  let hostsFile: string;
  let resolvConf: string;
  let resolver: HostResolver;

  beforeEach(async () => {
    dns = await DnsServer.start();
    directory = await mkdtemp(join(tmpdir(), 'rollcall-names-'));
    hostsFile = join(directory, 'hosts');
    resolvConf = join(directory, 'resolv.conf');
    await writeFile(hostsFile, '10.0.0.9 fixed.test\n');
    await writeFile(resolvConf, 'search svc.test\noptions ndots:2\n');
    resolver = new HostResolver({ hostsFile, resolvConf, servers: [dns.address] });
  });

  afterEach(async () => {
    await dns.stop();
    await rm(directory, { recursive: true, force: true });
  });

  const addresses = async (name: string, client = CLIENT) =>
    (await resolver.resolve(name, client)).map(({ address, family }) => `${address}/${family}`);

  it('asks for both families, and looks into the hosts file and the search list first', async () => {
    dns.set('both.example.test', () => ['10.0.0.1', '2001:db8::1', '10.0.0.2']);
    dns.set('short.svc.test', () => ['10.0.0.3']);
    dns.set('short', () => ['10.0.0.4']);
    expect(await addresses('both.example.test')).toEqual(['10.0.0.1/4', '10.0.0.2/4', '2001:db8::1/6']);
    expect(await addresses('Fixed.Test')).toEqual(['10.0.0.9/4']);
    expect(await addresses('short')).toEqual(['10.0.0.3/4']);
    expect(await addresses('short.')).toEqual(['10.0.0.4/4']);
    expect(dns.questions('fixed.test')).toBe(0);
  });

  it('does not wait for the other family when one is there', async () => {
    dns.set('half.example.test', () => ['10.0.0.1']);
    dns.silence('half.example.test', 'AAAA');
    const startedAt = performance.now();
    expect(await addresses('half.example.test')).toEqual(['10.0.0.1/4']);
    expect(performance.now() - startedAt).toBeLessThan(600); // the name server would be asked again after 700 ms
  });

  it('keeps answers for as long as they say, and asks once for all who ask at the same time', async () => {
    dns.set('kept.example.test', () => ['10.0.0.1'], 60);
    dns.set('fleeting.example.test', () => ['10.0.0.1'], 0);
    await Promise.all([CLIENT, OTHER, CLIENT].map((client) => addresses('kept.example.test', client)));
    await addresses('kept.example.test');
    for (let i = 0; i < 3; i++) await addresses('fleeting.example.test');
    expect([dns.questions('kept.example.test'), dns.questions('fleeting.example.test')]).toEqual([1, 3]);
  });

  it('says whether a name is not there or nobody answers, and knows that for a while', async () => {
    dns.set('empty.example.test', () => []);
    dns.set('silent.example.test', () => undefined);
    await expect(resolver.resolve('none.example.test', CLIENT)).rejects.toMatchObject({ code: 'ENOTFOUND' });
    await expect(resolver.resolve('empty.example.test', CLIENT)).rejects.toMatchObject({ code: 'ENOTFOUND' });
    await expect(resolver.resolve('silent.example.test', CLIENT)).rejects.toMatchObject({ code: 'EAI_AGAIN' });
    const asked = dns.questions('silent.example.test');
    await expect(resolver.resolve('silent.example.test', OTHER)).rejects.toMatchObject({ code: 'EAI_AGAIN' });
    await expect(resolver.resolve('none.example.test', OTHER)).rejects.toMatchObject({ code: 'ENOTFOUND' });
    expect([dns.questions('silent.example.test'), dns.questions('none.example.test')]).toEqual([asked, 1]);
  });

  it('lets silent names of one client hold up nobody else, and not more than so many of its own', async () => {
    const names = Array.from({ length: 60 }, (_, n) => `silent${n}.example.test`);
    for (const name of names) dns.set(name, () => undefined);
    dns.set('well.example.test', () => ['10.0.0.1']);
    const silent = names.map((name) => resolver.resolve(name, CLIENT).catch((error: unknown) => error));
    await eventually('all that it may ask', () => names.filter((name) => dns.questions(name) > 0).length === NAMES_AT_ONCE);
    const startedAt = performance.now();
    expect(await addresses('well.example.test', OTHER)).toEqual(['10.0.0.1/4']);
    expect(performance.now() - startedAt).toBeLessThan(1000);
    expect(names.filter((name) => dns.questions(name) > 0).length).toBe(NAMES_AT_ONCE);
    for (const error of await Promise.all(silent)) expect(error).toMatchObject({ code: 'EAI_AGAIN' });
  });

  it('does not have one client wait for the turn of another that wants the same name', async () => {
    const names = Array.from({ length: NAMES_AT_ONCE }, (_, n) => `silent${n}.example.test`);
    for (const name of names) dns.set(name, () => undefined);
    dns.set('both.example.test', () => ['10.0.0.1'], 60);
    const silent = names.map((name) => resolver.resolve(name, CLIENT).catch((error: unknown) => error));
    const waiting = addresses('both.example.test').catch((error: unknown) => error);
    const startedAt = performance.now();
    expect(await addresses('both.example.test', OTHER)).toEqual(['10.0.0.1/4']);
    expect(performance.now() - startedAt).toBeLessThan(1000);
    await Promise.all([...silent, waiting]);
  });

  it('reads the system files again when they have changed', async () => {
    await expect(resolver.resolve('new.test', CLIENT)).rejects.toMatchObject({ code: 'ENOTFOUND' });
    await writeFile(hostsFile, '10.0.0.9 fixed.test\n10.0.0.10 new.test\n');
    await eventually('the new name', () => addresses('new.test').then((found) => found[0] === '10.0.0.10/4'));
  });
});
