import { describe, expect, it } from 'vitest';
import { candidatesOf, parseHosts, parseSearchRules } from './system-names.js';

describe('the rules of a resolv.conf', () => {
  it.each([
    ['', [], 1],
    ['nameserver 10.0.0.1\n', [], 1],
    ['search a.test b.test\noptions ndots:5 timeout:1\n', ['a.test', 'b.test'], 5],
    ['domain one.test two.test', ['one.test'], 1],
    ['search a.test\nsearch b.test. # the last one counts', ['b.test'], 1],
    ['options ndots:99\n; search no.test', [], 15],
    ['search .', [], 1],
    ['search 1 2 3 4 5 6 7', ['1', '2', '3', '4', '5', '6'], 1],
  ])('of %j', (text, search, ndots) => {
    expect(parseSearchRules(text)).toEqual({ search, ndots });
  });
});

describe('the candidates for a name', () => {
  const rules = { search: ['ns.svc.cluster.local', 'svc.cluster.local'], ndots: 2 };

  it.each([
    ['hooks', ['hooks.ns.svc.cluster.local', 'hooks.svc.cluster.local', 'hooks']],
    ['hooks.other', ['hooks.other.ns.svc.cluster.local', 'hooks.other.svc.cluster.local', 'hooks.other']],
    ['www.example.org', ['www.example.org', 'www.example.org.ns.svc.cluster.local', 'www.example.org.svc.cluster.local']],
    ['example.org.', ['example.org']],
  ])('%s', (name, candidates) => {
    expect(candidatesOf(name, rules)).toEqual(candidates);
  });

  it('are the name alone without a search list', () => {
    expect(candidatesOf('hooks', { search: [], ndots: 1 })).toEqual(['hooks']);
  });
});

describe('a hosts file', () => {
  it('gives every address of a name, whatever its letters, and leaves out what is none', () => {
    const hosts = parseHosts('127.0.0.1 localhost Other # a comment\n::1\tlocalhost\n# 10.0.0.1 no\nnonsense yes\n\n10.0.0.2');
    expect([...hosts]).toEqual([
      ['localhost', ['127.0.0.1', '::1']],
      ['other', ['127.0.0.1']],
    ]);
  });
});
