import { describe, expect, it } from 'vitest';
import { AttemptFailure, describeFailure, kindOfFailure, tlsFailure } from './failure.js';

function failed(message: string, code?: string): Error {
  return Object.assign(new Error(message), code === undefined ? {} : { code });
}

describe('a failure', () => {
  it.each([
    [failed('connect ECONNREFUSED 1.2.3.4:80', 'ECONNREFUSED'), 'connection refused'],
    [failed('read ECONNRESET', 'ECONNRESET'), 'connection closed before the answer was complete'],
    [failed('getaddrinfo ENOTFOUND x.invalid', 'ENOTFOUND'), 'host name not found'],
    [new AttemptFailure('destination 10.0.0.1 is not a public address'), 'destination 10.0.0.1 is not a public address'],
    [failed('connect EACCES 1.2.3.4:80', 'EACCES'), 'connect EACCES 1.2.3.4:80'],
    [failed('', 'EWHATEVER'), 'EWHATEVER'],
    [failed('a\0b\ud800'), 'a\ufffdb\ufffd'],
    ['thrown', 'thrown'],
    // As OpenSSL tells it after the handshake: a receiver that wants a certificate of ours.
    [
      failed(
        '4010A8:error:0A00045C:SSL routines:ssl3_read_bytes:tlsv13 alert certificate required:../deps/openssl/openssl/ssl/record/rec_layer_s3.c:1605:SSL alert number 116\n',
        'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED',
      ),
      'TLS: tlsv13 alert certificate required',
    ],
  ])('%s is %j', (error, words) => {
    expect(describeFailure(error)).toBe(words);
  });

  it.each([
    [failed('connect ECONNREFUSED 1.2.3.4:80', 'ECONNREFUSED'), 'refused'],
    [failed('read ECONNRESET', 'ECONNRESET'), 'closed'],
    [failed('connect ETIMEDOUT 1.2.3.4:80', 'ETIMEDOUT'), 'timeout'],
    [failed('host name lookup failed', 'EAI_AGAIN'), 'dns'],
    [failed('connect EHOSTUNREACH 1.2.3.4:80', 'EHOSTUNREACH'), 'unreachable'],
    [failed('4010A8:error:0A00045C:SSL routines:f:certificate required:x.c:1:', 'ERR_SSL'), 'tls'],
    [tlsFailure(failed('certificate has expired', 'CERT_HAS_EXPIRED')), 'tls'],
    [new AttemptFailure('timed out after 10 s', 'timeout'), 'timeout'],
    [failed('connect EACCES 1.2.3.4:80', 'EACCES'), 'other'],
    ['thrown', 'other'],
  ])('%s is of a kind: %s', (error, kind) => {
    expect(kindOfFailure(error)).toBe(kind);
  });

  it('has at most 300 characters', () => {
    expect(describeFailure(failed('x'.repeat(1000)))).toHaveLength(300);
  });

  it.each([
    [
      failed(
        'write EPROTO 0010:error:0A000086:SSL routines:tls_post_process:certificate verify failed:../deps/openssl/x.c:1:\n',
        'EPROTO',
      ),
      'TLS: certificate verify failed',
    ],
    [
      failed('unable to verify the first certificate; if the root CA is installed locally, try x'),
      'TLS: unable to verify the first certificate',
    ],
    [failed('certificate has expired', 'CERT_HAS_EXPIRED'), 'TLS: certificate has expired'],
    [failed('Client network socket disconnected', 'ECONNRESET'), 'TLS: connection closed during the handshake'],
  ])('of TLS, %s, is %j', (error, words) => {
    expect(tlsFailure(error).message).toBe(words);
  });
});
