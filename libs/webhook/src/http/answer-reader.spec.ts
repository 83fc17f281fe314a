import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AnswerReader } from './answer-reader.js';

function read(text: string, pieces: readonly number[] = []): AnswerReader {
  const bytes = Buffer.from(text, 'latin1');
  const reader = new AnswerReader();
  let from = 0;
  for (const piece of pieces) {
    if (from >= bytes.length) break;
    reader.push(bytes.subarray(from, (from += piece)));
  }
  if (from < bytes.length) reader.push(bytes.subarray(from));
  return reader;
}

function seen(reader: AnswerReader) {
  const { status, hasEnded, isReusable } = reader;
  return { status, hasEnded, reusable: hasEnded && isReusable, body: reader.body.toString('latin1') };
}

const HEAD = 'HTTP/1.1 200 OK\r\n';

/** An answer, and what is seen of it: body, whether it has ended, whether the connection can be used again. */
const ANSWERS: Readonly<Record<string, readonly [text: string, body: string, hasEnded: boolean, reusable: boolean]>> = {
  'a length': [`${HEAD}Content-Length: 2\r\n\r\nok`, 'ok', true, true],
  'a length of 0': [`${HEAD}Content-Length: 0\r\n\r\n`, '', true, true],
  'a length that is too long': [`${HEAD}Content-Length: 100\r\n\r\nok`, 'ok', false, false],
  'a length that is too short': [`${HEAD}Content-Length: 1\r\n\r\nok`, 'o', true, false],
  'the same length twice': [`${HEAD}Content-Length: 2\r\ncontent-length: 2\r\n\r\nok`, 'ok', true, true],
  'the same length in a list': [`${HEAD}Content-Length: 2, 2\r\n\r\nok`, 'ok', true, true],
  'two lengths': [`${HEAD}Content-Length: 2\r\nContent-Length: 1\r\n\r\nok`, 'ok', false, false],
  'a garbled length': [`${HEAD}Content-Length: two\r\n\r\nok`, 'ok', false, false],
  'a negative length': [`${HEAD}Content-Length: -2\r\n\r\nok`, 'ok', false, false],
  'a length with a sign': [`${HEAD}Content-Length: +2\r\n\r\nok`, 'ok', false, false],
  'an empty length': [`${HEAD}Content-Length:\r\n\r\nok`, 'ok', false, false],
  'a length beyond all numbers': [`${HEAD}Content-Length: ${'9'.repeat(400)}\r\n\r\nok`, 'ok', false, false],
  'a length before a space': [`${HEAD}Content-Length : 2\r\n\r\nok`, 'ok', true, false],
  'no length': [`${HEAD}Content-Type: text/plain\r\n\r\nok`, 'ok', false, false],
  'no headers': [`${HEAD}\r\nok`, 'ok', false, false],
  'no reason': ['HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok', 'ok', true, true],
  'a reason that is no ASCII': ['HTTP/1.1 200 \xd0\x94\xd0\xb0\r\nContent-Length: 2\r\n\r\nok', 'ok', true, true],
  'two spaces before the status': ['HTTP/1.1  200 OK\r\nContent-Length: 2\r\n\r\nok', 'ok', true, true],
  'a name in small letters': ['http/1.1 200 ok\r\ncontent-length: 2\r\n\r\nok', 'ok', true, true],
  'an empty line first': [`\r\n${HEAD}Content-Length: 2\r\n\r\nok`, 'ok', true, true],
  chunks: [`${HEAD}Transfer-Encoding: chunked\r\n\r\n1\r\no\r\n1;x=y\r\nk\r\n0\r\n\r\n`, 'ok', true, true],
  'chunks and a trailer': [`${HEAD}Transfer-Encoding: Chunked\r\n\r\n2\r\nok\r\n0\r\nX: y\r\n\r\n`, 'ok', true, true],
  'chunks without end': [`${HEAD}Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n`, 'ok', false, false],
  'a garbled chunk size': [`${HEAD}Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\nzz\r\n`, 'ok', true, false],
  'a chunk longer than its size': [`${HEAD}Transfer-Encoding: chunked\r\n\r\n1\r\nok\r\n0\r\n\r\n`, 'o', true, false],
  'a negative chunk size': [`${HEAD}Transfer-Encoding: chunked\r\n\r\n-1\r\nok\r\n0\r\n\r\n`, '', true, false],
  'an enormous chunk size': [`${HEAD}Transfer-Encoding: chunked\r\n\r\n${'f'.repeat(20)}\r\nok`, '', true, false],
  'chunks and a length': [
    `${HEAD}Content-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n`,
    'ok',
    true,
    false,
  ],
  'an unknown coding': [`${HEAD}Transfer-Encoding: gzip\r\n\r\nok`, 'ok', false, false],
  'chunks by HTTP/1.0': ['HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n', 'ok', true, false],
  'HTTP/1.0 without a length': ['HTTP/1.0 200 OK\r\n\r\nok', 'ok', false, false],
  'HTTP/1.0 with a length': ['HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok', 'ok', true, false],
  'HTTP/1.0 that keeps alive': ['HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 2\r\n\r\nok', 'ok', true, true],
  'a close': [`${HEAD}Connection: foo, Close\r\nContent-Length: 2\r\n\r\nok`, 'ok', true, false],
  'a close in the second header': [
    `${HEAD}Connection: foo\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok`,
    'ok',
    true,
    false,
  ],
  'a 2nd answer': [`${HEAD}Content-Length: 2\r\n\r\nok${HEAD}Content-Length: 3\r\n\r\nbad`, 'ok', true, false],
  'an empty line after it': [`${HEAD}Content-Length: 2\r\n\r\nok\r\n`, 'ok', true, false],
  'lines that end in LF': ['HTTP/1.1 200 OK\nContent-Length: 2\n\nok', 'ok', true, false],
  'folded lines': [`${HEAD}X-Long: a\r\n b\r\nContent-Length:\r\n 2\r\n\r\nok`, 'ok', true, true],
  'a fold of nothing': [`${HEAD} 2\r\nContent-Length: 2\r\n\r\nok`, 'ok', true, true],
  'a header without a colon': [`${HEAD}nonsense\r\ncontent nonsense\r\nContent-Length: 2\r\n\r\nok`, 'ok', true, true],
  'bytes that no header may have': [`${HEAD}X: \x00\x01\xff\r\nB(d: x\r\nContent-Length: 2\r\n\r\nok`, 'ok', true, true],
  'a header called like a method': [
    `${HEAD}constructor: x\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok`,
    'ok',
    true,
    true,
  ],
};

describe('an answer', () => {
  it.each(Object.entries(ANSWERS))('with %s', (_what, [text, body, hasEnded, reusable]) => {
    expect(seen(read(text))).toEqual({ status: 200, body, hasEnded, reusable });
    expect(seen(read(text, Array<number>(text.length).fill(1)))).toEqual({ status: 200, body, hasEnded, reusable });
  });

  it('is read alike in whatever pieces it comes', () => {
    const law = fc.property(
      fc.constantFrom(...Object.values(ANSWERS)),
      fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 60 }),
      ([text, body, hasEnded, reusable], pieces) => {
        expect(seen(read(text, pieces))).toEqual({ status: 200, body, hasEnded, reusable });
      },
    );
    fc.assert(law);
  });

  it.each([
    ['204', 'Content-Length: 2', 'ok', false],
    ['204', 'Content-Length: 2', '', false],
    ['204', 'Transfer-Encoding: chunked', '2\r\nok\r\n0\r\n\r\n', false],
    ['204', 'Content-Length: 0', '', true],
    ['204', 'X: y', '', true],
    ['204', 'X: y', 'ok', false],
    ['304', 'Content-Length: 2', 'ok', false],
    ['304', 'X: y', '', true],
    ['205', 'Content-Length: 0', '', true],
  ])('%s with %s and the body %j has ended with its head', (status, header, rest, reusable) => {
    expect(seen(read(`HTTP/1.1 ${status} X\r\n${header}\r\n\r\n${rest}`))).toEqual({
      status: Number(status),
      hasEnded: true,
      reusable,
      body: '',
    });
  });

  it.each([
    ['100', 'HTTP/1.1 100 Continue\r\n\r\n'],
    ['102', 'HTTP/1.1 102 Processing\r\nContent-Length: 5\r\n\r\n'],
    ['103', 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nConnection: close\r\nRetry-After: 9\r\n\r\n'],
    ['199', 'HTTP/1.1 199 Whatever\r\n\r\n'],
    ['many', 'HTTP/1.1 102 Processing\r\n\r\n'.repeat(1000)],
  ])('comes after interim ones, which are passed over: %s', (_which, interim) => {
    const text = `${interim}${HEAD}Content-Length: 2\r\n\r\nok`;
    for (const pieces of [[], [7, 30, 5], Array<number>(text.length).fill(1)]) {
      expect(read(interim, pieces)).toMatchObject({ status: 0, isHeadRead: false });
      const reader = read(text, pieces);
      expect(seen(reader)).toEqual({ status: 200, body: 'ok', hasEnded: true, reusable: true });
      expect(reader.retryAfter).toBeUndefined();
    }
  });

  it('is none when interim ones have no end', () => {
    const reader = new AnswerReader();
    const interim = Buffer.from(`HTTP/1.1 103 Early Hints\r\nLink: ${'x'.repeat(60_000)}\r\n\r\n`);
    expect(() => {
      for (let i = 0; i < 100; i++) reader.push(interim);
    }).toThrow('interim answers without end');
  });

  it('takes 101 for an answer after which the connection speaks something else', () => {
    const upgrade = 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\nHTTP/1.1 200 OK\r\n\r\n';
    expect(seen(read(upgrade))).toEqual({ status: 101, body: '', hasEnded: true, reusable: false });
  });

  it.each([['404'], ['500'], ['600'], ['999']])('has the status %s', (status) => {
    expect(read(`HTTP/1.1 ${status} X\r\nContent-Length: 0\r\n\r\n`).status).toBe(Number(status));
  });

  it.each([
    ['HTTP/1.1 099 X\r\n'],
    ['HTTP/1.1 000 X\r\n'],
    ['HTTP/1.1 20 OK\r\n'],
    ['HTTP/1.1 2000 OK\r\n'],
    ['HTTP/1.1 2xx OK\r\n'],
    ['HTTP/1.1\r\n'],
    ['HTTP/x.1 200 OK\r\n'],
    ['ICY 200 OK\r\n'],
    ['SSH-2.0-OpenSSH\r\n'],
    ['\x15\x03\x03\x00\x02\x02\x0a'],
    ['<html>'],
  ])('is none when it begins with %j', (text) => {
    expect(() => read(text)).toThrow(/^answer is not HTTP: it begins with "/);
    expect(() => read(text, Array<number>(text.length).fill(1))).toThrow(/^answer is not HTTP: it begins with "/);
  });

  it.each([20, 64, 127])('may have a head of %i KiB', (kibibytes) => {
    for (const filler of [
      `X: ${'x'.repeat(kibibytes * 1024 - 60)}\r\n`,
      'X-Cookie: yum\r\n'.repeat((kibibytes * 1024 - 60) / 15),
    ]) {
      const text = `${HEAD}${filler}Content-Length: 2\r\n\r\nok`;
      for (const pieces of [[], Array<number>(100).fill(1500)]) {
        expect(seen(read(text, pieces))).toEqual({ status: 200, body: 'ok', hasEnded: true, reusable: true });
      }
    }
  });

  it('may have no head above 128 KiB, whether its end is seen or not', () => {
    const head = `${HEAD}X: ${'x'.repeat(129 * 1024)}`;
    expect(() => read(head)).toThrow('answer with a head longer than 128 KiB');
    expect(() => read(`${head}\r\n\r\n`)).toThrow('answer with a head longer than 128 KiB');
    expect(() => read(`\r\n`.repeat(70_000))).toThrow('answer with a head longer than 128 KiB');
  });

  it.each([
    [200, 256],
    [299, 256],
    [302, 4096],
    [500, 4096],
  ])('of status %i is kept as soon as there are %i bytes of it', (status, most) => {
    const reader = read(`HTTP/1.1 ${status} X\r\nContent-Length: 60000\r\n\r\n${'x'.repeat(most - 1)}`);
    expect([reader.isKept, reader.isCut]).toEqual([false, false]);
    reader.push(Buffer.from('yz'));
    expect([reader.isKept, reader.isCut, reader.hasEnded]).toEqual([true, true, false]);
    expect(reader.body.toString()).toBe(`${'x'.repeat(most - 1)}y`);
    expect(() => reader.push(Buffer.alloc(60_000 - most - 1))).not.toThrow();
    expect(seen(reader)).toMatchObject({ hasEnded: true, reusable: true });
  });

  it('is read up to 64 KiB after its head, framing and all', () => {
    const short = `${HEAD}Content-Length: 65536\r\n\r\n`;
    expect(seen(read(short + 'x'.repeat(65_536)))).toMatchObject({ hasEnded: true, reusable: true });
    const long = `${HEAD}Content-Length: 65537\r\n\r\n`;
    expect(seen(read(long + 'x'.repeat(65_537)))).toMatchObject({ hasEnded: true, reusable: false });
    const crumbs = `${HEAD}Transfer-Encoding: chunked\r\n\r\n${'1\r\nx\r\n'.repeat(11_000)}`;
    expect(seen(read(crumbs))).toMatchObject({ hasEnded: true, reusable: false });
  });

  it.each([
    ['Retry-After: 60', '60'],
    ['retry-after:60\r\nRetry-After: 120', '60, 120'],
    ['Retry-After: Sun, 22 Nov 2026\r\n 10:00:30 GMT', 'Sun, 22 Nov 2026  10:00:30 GMT'],
  ])('tells %j', (header, expected) => {
    expect(read(`HTTP/1.1 503 X\r\n${header}\r\nContent-Length: 0\r\n\r\n`).retryAfter).toBe(expected);
  });

  it.each([
    ['Keep-Alive: timeout=5', 5000],
    ['keep-alive: max=100, Timeout=5', 5000],
    ['Keep-Alive: timeout=0', 0],
    ['Keep-Alive: forever', undefined],
    ['X: timeout=5', undefined],
  ])('tells by %j how long the connection is kept', (header, expected) => {
    expect(read(`${HEAD}${header}\r\nContent-Length: 0\r\n\r\n`).keepAliveMs).toBe(expected);
  });
});
