import { describe, expect, it } from 'vitest';
import { readTokenRequest } from './token-request.js';

const basic = (text: string, scheme = 'Basic'): string => `${scheme} ${Buffer.from(text).toString('base64')}`;
const formEncode = (text: string): string => new URLSearchParams([['', text]]).toString().slice(1);

describe('a token request by HTTP Basic', () => {
  const read = (authorization: string, body: unknown = {}) => readTokenRequest(body, {}, authorization)!.credentials;

  it.each([
    ['demo', 'Zk9+Q2/7xQ+1w4kN3pV5yg=='],
    ['demo', 'a%2Bb'],
    ['demo', '100%'],
    ['demo', 'with space'],
    ['demo', ':begins:and:ends:'],
    ['demo', 'пароль'],
    ['a+b/c%', 's'],
    ['ключ', '%+ /ü'],
    ['demo', ''],
    ['', ''],
  ])('is read as it is and form-encoded: %j and %j', (appId, secret) => {
    expect(read(basic(`${appId}:${secret}`))[0]).toEqual({ appId, secret });
    expect(read(basic(`${formEncode(appId)}:${formEncode(secret)}`))).toContainEqual({ appId, secret });
    expect(read(basic(`${encodeURIComponent(appId)}:${encodeURIComponent(secret)}`))).toContainEqual({ appId, secret });
  });

  it('has one reading where both are the same', () => {
    expect(read(basic('demo:demo-secret'))).toEqual([{ appId: 'demo', secret: 'demo-secret' }]);
    expect(read(basic('demo:50%'))).toEqual([{ appId: 'demo', secret: '50%' }]);
  });

  it('counts before what the body says, in any letter case of its name', () => {
    for (const scheme of ['basic', 'BASIC', 'Basic']) {
      const body = { grant_type: 'client_credentials', client_id: 'demo', client_secret: 'other' };
      expect(read(basic('demo:demo-secret', scheme), body)).toEqual([{ appId: 'demo', secret: 'demo-secret' }]);
    }
  });

  it('without a colon has no secret', () => {
    expect(read(basic('demo'))).toEqual([{ appId: 'demo', secret: '' }]);
  });
});

describe('a token request without HTTP Basic', () => {
  it.each([
    [{ client_id: 'demo', client_secret: 's%2B+' }, [{ appId: 'demo', secret: 's%2B+' }]],
    [{ client_id: 'demo' }, []],
    [{ client_id: 'demo', client_secret: '' }, []],
    [{ client_id: null, client_secret: 's' }, []],
    [[], []],
  ])('is read from the body: %j', (body, credentials) => {
    for (const authorization of [undefined, 'Bearer x', 'Basics eDp5'])
      expect(readTokenRequest(body, {}, authorization)).toMatchObject({ basic: false, credentials });
    for (const authorization of ['Basic %%%', 'basic', 'BASIC  ', 'Basic a b'])
      expect(readTokenRequest(body, {}, authorization)).toMatchObject({ basic: true, credentials });
  });

  it('is refused where a field is no string', () => {
    expect(readTokenRequest({ client_id: 1 }, {}, undefined)).toBeUndefined();
    expect(readTokenRequest({}, { client_secret: ['a', 'b'] }, undefined)).toBeUndefined();
  });
});
