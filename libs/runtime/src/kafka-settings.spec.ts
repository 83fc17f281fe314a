import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CLIENT, LOOPBACK_CA, LOOPBACK_KEY } from '../../../test/support/loopback-certificates.js';
import { KEY as OTHER_KEY } from '../../../test/support/certificates.js';
import { readSettings } from './config.js';

const SECRET = 'hunter2';
const scram = { KAFKA_SASL_MECHANISM: 'scram-sha-512', KAFKA_SASL_USERNAME: 'u', KAFKA_SASL_PASSWORD: SECRET };
const bearer = {
  KAFKA_SASL_MECHANISM: 'oauthbearer',
  KAFKA_SASL_TOKEN_URL: 'https://login.example.com/token',
  KAFKA_SASL_CLIENT_ID: 'c',
  KAFKA_SASL_CLIENT_SECRET: SECRET,
};
const mutual = { KAFKA_SSL_CA: LOOPBACK_CA, KAFKA_SSL_CERT: CLIENT, KAFKA_SSL_KEY: LOOPBACK_KEY };

describe('the settings of a broker', () => {
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'rollcall-kafka-settings-'));
  });
  afterAll(() => rm(directory, { recursive: true }));

  it('are none unless given', () => {
    expect(readSettings({})).toMatchObject({ KAFKA_SSL: false, KAFKA_PREFIX: '' });
  });

  it.each([
    [
      'a mechanism in any letter case',
      { ...scram, KAFKA_SASL_MECHANISM: ' SCRAM-SHA-512 ' },
      'KAFKA_SASL_MECHANISM',
      'scram-sha-512',
    ],
    ['tokens', bearer, 'KAFKA_SASL_TOKEN_URL', bearer.KAFKA_SASL_TOKEN_URL],
    [
      'tokens of this machine',
      { ...bearer, KAFKA_SASL_TOKEN_URL: 'http://127.0.0.1:1/t' },
      'KAFKA_SASL_TOKEN_URL',
      'http://127.0.0.1:1/t',
    ],
    ['a certificate', mutual, 'KAFKA_SSL_CERT', CLIENT],
    ['one in a single line', { KAFKA_SSL_CA: LOOPBACK_CA.replaceAll('\n', '\\n') }, 'KAFKA_SSL_CA', LOOPBACK_CA],
    [
      'several, with words between',
      { KAFKA_SSL_CA: `# one\n${LOOPBACK_CA}\n\n${LOOPBACK_CA}\n` },
      'KAFKA_SSL_CA',
      `# one\n${LOOPBACK_CA}\n\n${LOOPBACK_CA}`,
    ],
    ['a prefix', { KAFKA_PREFIX: 'eu-1.Prod_' }, 'KAFKA_PREFIX', 'eu-1.Prod_'],
  ] as const)('take %s', (_what, environment, name, value) => {
    expect(readSettings(environment)[name]).toBe(value);
  });

  it.each<[string, Record<string, string>, RegExp]>([
    [
      'a mechanism that there is not',
      { ...scram, KAFKA_SASL_MECHANISM: 'gssapi' },
      /^KAFKA_SASL_MECHANISM: "gssapi" is none of plain, scram-sha-256, scram-sha-512, oauthbearer$/,
    ],
    [
      'no password',
      { ...scram, KAFKA_SASL_PASSWORD: '' },
      /^KAFKA_SASL_PASSWORD: is required with KAFKA_SASL_MECHANISM=scram-sha-512$/,
    ],
    [
      'no user',
      { ...scram, KAFKA_SASL_MECHANISM: 'plain', KAFKA_SASL_USERNAME: '' },
      /^KAFKA_SASL_USERNAME: is required with KAFKA_SASL_MECHANISM=plain$/,
    ],
    [
      'nothing for tokens',
      { KAFKA_SASL_MECHANISM: 'oauthbearer' },
      /^KAFKA_SASL_TOKEN_URL: is required .*\nKAFKA_SASL_CLIENT_ID: .*\nKAFKA_SASL_CLIENT_SECRET: .*$/,
    ],
    [
      'a token URL that would show the secret',
      { ...bearer, KAFKA_SASL_TOKEN_URL: 'http://login.example.com/t' },
      /^KAFKA_SASL_TOKEN_URL: must be an https URL/,
    ],
    [
      'a password that nothing asks for',
      { KAFKA_SASL_PASSWORD: SECRET },
      /^KAFKA_SASL_MECHANISM: is required with KAFKA_SASL_PASSWORD: write plain, /,
    ],
    [
      'a file name where a certificate belongs',
      { KAFKA_SSL_CA: '/etc/ca.pem' },
      /^KAFKA_SSL_CA: is no certificate in PEM: write .* _FILE at its end$/,
    ],
    ['a damaged certificate', { KAFKA_SSL_CA: LOOPBACK_CA.replace('MIIB', 'MIIC') }, /^KAFKA_SSL_CA: is no certificate/],
    [
      'one damaged of two',
      { KAFKA_SSL_CA: `${LOOPBACK_CA}\n${LOOPBACK_CA.replace('MIIB', 'MIIC')}` },
      /^KAFKA_SSL_CA: is no certificate/,
    ],
    ['a certificate without its key', { ...mutual, KAFKA_SSL_KEY: '' }, /^KAFKA_SSL_KEY: is required with KAFKA_SSL_CERT$/],
    ['a key without its certificate', { ...mutual, KAFKA_SSL_CERT: '' }, /^KAFKA_SSL_CERT: is required with KAFKA_SSL_KEY$/],
    [
      'the key of another',
      { ...mutual, KAFKA_SSL_KEY: OTHER_KEY },
      /^KAFKA_SSL_KEY: is not the key of the first certificate in KAFKA_SSL_CERT/,
    ],
    ['a key that is none', { ...mutual, KAFKA_SSL_KEY: SECRET }, /^KAFKA_SSL_KEY: is no private key in PEM without a passphrase/],
    ['a flag that is none', { KAFKA_SSL: 'yes' }, /^KAFKA_SSL: "yes" is neither true nor false$/],
    ['a prefix with other characters', { KAFKA_PREFIX: 'eu/1' }, /^KAFKA_PREFIX: must be at most 200 of the characters/],
    ['a prefix that is too long', { KAFKA_PREFIX: 'x'.repeat(201) }, /^KAFKA_PREFIX: must be at most 200/],
  ])('refuse %s, in words without a secret', (_what, environment, words) => {
    const read = (): unknown => readSettings(environment);
    expect(read).toThrow(words);
    expect(read).toThrow(expect.objectContaining({ message: expect.not.stringMatching(SECRET) as string }));
  });

  it('come from files, each instead of the value', async () => {
    const named: Record<string, string> = {};
    const values = {
      ...mutual,
      KAFKA_SASL_USERNAME: 'u',
      KAFKA_SASL_PASSWORD: SECRET,
      KAFKA_SASL_CLIENT_ID: 'c',
      KAFKA_SASL_CLIENT_SECRET: SECRET,
    };
    for (const [name, value] of Object.entries(values)) {
      named[`${name}_FILE`] = join(directory, name);
      await writeFile(named[`${name}_FILE`]!, `${value}\n`);
      const both = { ...named, [name]: value, KAFKA_SASL_MECHANISM: 'plain' };
      expect(() => readSettings(both)).toThrow(`${name}: is set, and ${name}_FILE too: unset one of them`);
    }
    expect(readSettings({ ...named, KAFKA_SASL_MECHANISM: 'plain' })).toMatchObject(values);
  });
});
