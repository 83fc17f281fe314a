import { describe, expect, it } from 'vitest';
import { ConfigError, describeSettings, isLoopback, readServiceSettings, readSettings } from './config.js';

describe('settings', () => {
  it('has the defaults of the contract', () => {
    expect(readSettings({})).toMatchObject({
      SUBSCRIPTION_API_PORT: 3000,
      PRESENCE_PORT: 3001,
      DISPATCHER_PORT: 3002,
      RECEIVER_PORT: 3003,
      KAFKA_TOPIC_PARTITIONS: 12,
      AGENT_EVENT_LIMIT: 1000,
      RATE_LIMIT: { requests: 6000, windowMs: 60_000 },
      DELIVERY_RETRY_SCHEDULE: [5, 30, 120, 300, 900, 1800, 3600, 7200, 14400, 28800, 28800].map((seconds) => seconds * 1000),
      DELIVERY_WINDOW: 86_400_000,
      DELIVERY_TIMEOUT: 10_000,
    });
  });

  it('reads an external issuer, over https or from this machine, and only with the audience', () => {
    expect(readSettings({})).toMatchObject({
      OIDC_CLIENT_CLAIM: 'rollcall_client_id',
      OIDC_ACCESS_CLAIM: 'rollcall_access',
      SIGNING_KEY_LIFETIME: 30 * 86_400_000,
    });
    const issuer = (url: string) => () => readSettings({ OIDC_ISSUER: url, OIDC_AUDIENCE: 'rollcall' });
    for (const url of ['https://id.example.org', 'https://id.example.org/realms/a/', 'http://127.0.0.1:8080', 'http://[::1]:1/a'])
      expect(issuer(url)()).toMatchObject({ OIDC_ISSUER: url });
    for (const url of ['http://id.example.org', 'id.example.org', 'https://a@b/', 'https://b/?a', 'https://b/#', 'ftp://b/'])
      expect(issuer(url)).toThrow(/^OIDC_ISSUER: must be an https URL/);
    expect(() => readSettings({ OIDC_ISSUER: 'https://id.example.org' })).toThrow('OIDC_AUDIENCE: is required with OIDC_ISSUER');
    expect(() => readSettings({ SIGNING_KEY_LIFETIME: '59m' })).toThrow('SIGNING_KEY_LIFETIME: must be at least 1h');
  });

  it('reads durations, lists and applications', () => {
    expect(
      readSettings({
        DELIVERY_RETRY_SCHEDULE: '50ms, 1.5s',
        ALLOW_DESTINATIONS: '10.0.0.0/8, ::1',
        DESTINATION_PORTS: '80, 443,1024-65535',
        RATE_LIMIT: 'off',
        BOOTSTRAP_APPS: '[{"app_id":"a","secret":"s","client_id":"12","access":"all"}]',
      }),
    ).toMatchObject({
      DELIVERY_RETRY_SCHEDULE: [50, 1500],
      ALLOW_DESTINATIONS: ['10.0.0.0/8', '::1'],
      DESTINATION_PORTS: [
        { from: 80, to: 80 },
        { from: 443, to: 443 },
        { from: 1024, to: 65_535 },
      ],
      RATE_LIMIT: null,
      BOOTSTRAP_APPS: [{ app_id: 'a', secret: 's', client_id: 12, access: 'all' }],
    });
  });

  it.each(['x', '0', '65536', '443-80', '80-', '-80', '1-2-3', '8e1', '!25'])('refuses the ports %s', (text) => {
    expect(() => readSettings({ DESTINATION_PORTS: `443,${text}` })).toThrow(`DESTINATION_PORTS: "${text}" is neither`);
  });

  it('counts an empty value as unset', () => {
    expect(readSettings({ PRESENCE_PORT: '' }).PRESENCE_PORT).toBe(3001);
  });

  it('names every setting that is wrong', () => {
    expect(() => readSettings({ PRESENCE_PORT: 'x', DELIVERY_WINDOW: '1 day' })).toThrow(ConfigError);
    expect(() => readSettings({ PRESENCE_PORT: 'x', DELIVERY_WINDOW: '1 day' })).toThrow(/PRESENCE_PORT.*\n?.*DELIVERY_WINDOW/s);
  });

  it('never prints a secret', () => {
    const apps = '[{"app_id":"a","secret":"hunter2","client_id":12,"access":"root"}]';
    expect(() => readSettings({ BOOTSTRAP_APPS: apps })).toThrow(
      expect.not.objectContaining({ message: expect.stringContaining('hunter2') as string }),
    );
  });

  it('wants a database and a broker for a service on its own', () => {
    expect(() => readServiceSettings([], {})).toThrow(/DATABASE_URL: .*\nKAFKA_BROKERS: /);
    expect(readServiceSettings([], { DATABASE_URL: 'postgresql://u:p@h/d', KAFKA_BROKERS: 'a:1,b:2' }).KAFKA_BROKERS).toEqual([
      'a:1',
      'b:2',
    ]);
  });

  it('describes every setting', () => {
    expect(describeSettings().filter(({ description }) => description === '')).toEqual([]);
  });
});

describe('isLoopback', () => {
  it.each(['127.0.0.1', '127.9.9.9', '::1', 'localhost'])('%s is', (host) => expect(isLoopback(host)).toBe(true));
  it.each(['0.0.0.0', '::', '10.0.0.1', '127.0.0.1.example.org'])('%s is not', (host) => expect(isLoopback(host)).toBe(false));
});
