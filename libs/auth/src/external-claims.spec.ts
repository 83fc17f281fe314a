import { describe, expect, it } from 'vitest';
import { isAccessTokenType, readExternalClaims } from './external-claims.js';

const NAMES = { client: 'https://example.org/client', access: 'level' };
const PAYLOAD = { [NAMES.client]: '12', level: 'all', sub: 'user', azp: 'web', client_id: 'crm' };

describe('the claims of an external token', () => {
  it('name the application: client_id before azp before sub', () => {
    const appIdOf = (changes: object) => readExternalClaims({ ...PAYLOAD, ...changes }, NAMES);
    expect(appIdOf({})).toEqual({ appId: 'oidc:12:crm', clientId: 12, access: 'all' });
    expect(appIdOf({ client_id: undefined })).toMatchObject({ appId: 'oidc:12:web' });
    expect(appIdOf({ client_id: undefined, azp: undefined })).toMatchObject({ appId: 'oidc:12:user' });
  });

  it('cannot name an application of another client, whatever they contain', () => {
    const one = readExternalClaims({ ...PAYLOAD, [NAMES.client]: 1, client_id: '2:crm' }, NAMES);
    const other = readExternalClaims({ ...PAYLOAD, [NAMES.client]: 12, client_id: 'crm' }, NAMES);
    expect([one, other]).toMatchObject([{ appId: 'oidc:1:2:crm' }, { appId: 'oidc:12:crm' }]);
  });

  it.each([
    [{ client_id: 7 }, 'application'],
    [{ client_id: 'a'.repeat(256) }, 'application'],
    [{ client_id: '\ud800' }, 'application'],
    [{ [NAMES.client]: undefined }, NAMES.client],
    [{ [NAMES.client]: ['12'] }, NAMES.client],
    [{ [NAMES.client]: 12.5 }, NAMES.client],
    [{ [NAMES.client]: 2 ** 32 }, NAMES.client],
    [{ [NAMES.client]: '012' }, NAMES.client],
    [{ level: undefined }, 'level'],
    [{ level: ['all'] }, 'level'],
    [{ level: 'ALL' }, 'level'],
  ])('that do not say enough are told by name: %j', (changes, named) => {
    expect(readExternalClaims({ ...PAYLOAD, ...changes }, NAMES)).toContain(named);
  });

  it('are those of an access token by its type', () => {
    expect([undefined, 'at+jwt', 'application/at+jwt', 'AT+JWT', 'JWT'].every(isAccessTokenType)).toBe(true);
    expect(['logout+jwt', 'dpop+jwt', 'secevent+jwt', 'x-at+jwt', ''].some(isAccessTokenType)).toBe(false);
  });
});
