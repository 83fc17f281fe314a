import { Controller, Get, Module, Post } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { DataSource } from 'typeorm';
import { importJWK, SignJWT, type CryptoKey } from 'jose';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createDataSource, poolOf } from '#database';
import type { ServiceHttp } from '#http';
import { openTestHttp } from '../../../test/support/http.js';
import { createTestDatabase, type TestDatabase } from '../../../test/support/postgres.js';
import {
  AuthModule,
  CurrentPrincipal,
  makeSigningKey,
  Public,
  RequireAccess,
  signToken,
  type AccessLevel,
  type Principal,
  type TokenSigningKey,
} from './index.js';

@Controller()
class WhoController {
  @Get('who')
  who(@CurrentPrincipal() principal: Principal): Principal {
    return principal;
  }

  @Post('platform')
  @RequireAccess('platform')
  platform(): string {
    return 'yes';
  }

  @Get('public')
  @Public()
  open(): string {
    return 'open';
  }
}

@Module({ controllers: [WhoController] })
class WhoModule {}

describe('authentication', () => {
  let database: TestDatabase;
  let dataSource: DataSource;
  let http: ServiceHttp;
  let app: NestFastifyApplication;
  let key: TokenSigningKey;

  beforeAll(async () => {
    database = await createTestDatabase();
    dataSource = await createDataSource({ url: database.url, applicationName: 'test', poolSize: 4 }).initialize();
    key = await addKey();
    http = await openTestHttp();
    app = await http.serve({ module: WhoModule, imports: [AuthModule.forRoot({ dataSource })] });
  });

  afterAll(async () => {
    await http.close();
    await dataSource.destroy();
    await database.drop();
  });

  async function addKey(): Promise<TokenSigningKey> {
    const made = await makeSigningKey();
    await poolOf(dataSource).query('insert into access.signing_key (kid, public_jwk, private_jwk_sealed) values ($1, $2, $3)', [
      made.kid,
      made.publicJwk,
      '',
    ]);
    return { kid: made.kid, privateKey: (await importJWK(made.privateJwk, 'ES256')) as CryptoKey };
  }

  async function addApplication(access: AccessLevel): Promise<Principal> {
    const appId = `app-${Math.random()}`;
    const { rows } = await poolOf(dataSource).query<{ id: number }>(
      `insert into access.application (app_id, client_id, access, secret_hash) values ($1, 12, $2, '') returning id`,
      [appId, access],
    );
    return { applicationId: rows[0]!.id, appId, clientId: 12, access };
  }

  const who = (authorization?: string) =>
    app.inject({ method: 'GET', url: '/who', headers: authorization === undefined ? {} : { authorization } });

  it('tells the application of a token, the scheme in any letter case', async () => {
    const principal = await addApplication('call_api');
    const token = await signToken(principal, key);
    for (const scheme of ['Bearer', 'bearer', 'BEARER']) expect((await who(`${scheme} ${token}`)).json()).toEqual(principal);
  });

  it('refuses what is no good token, with exactly one answer', async () => {
    const principal = await addApplication('all');
    const good = await signToken(principal, key);
    const stranger = await makeSigningKey();
    const strangerKey = (await importJWK(stranger.privateJwk, 'ES256')) as CryptoKey;
    const claims = (lifetime: string, audience = 'rollcall') =>
      new SignJWT({ app: principal.applicationId })
        .setProtectedHeader({ alg: 'ES256', kid: key.kid })
        .setIssuer('rollcall')
        .setAudience(audience)
        .setExpirationTime(lifetime)
        .sign(key.privateKey);
    const [header, payload] = good.split('.');
    const bad = [
      undefined,
      '',
      'Bearer',
      'Bearer x',
      'Bearer not a token',
      'Bearer ünreadable',
      `Basic ${good}`,
      `Bearer ${good.slice(0, -6)}AAAAAA`,
      `Bearer ${header}.${payload}.`,
      `Bearer ${Buffer.from('{"alg":"none"}').toString('base64url')}.${payload}.`,
      `Bearer ${await signToken(principal, { kid: stranger.kid, privateKey: strangerKey })}`,
      `Bearer ${await signToken(principal, { kid: key.kid, privateKey: strangerKey })}`,
      `Bearer ${await claims('-1m')}`,
      `Bearer ${await claims('1h', 'elsewhere')}`,
    ];
    for (const authorization of bad) {
      const answer = await who(authorization);
      expect([answer.statusCode, answer.body]).toEqual([401, '{"message":"Unauthorized","status":"unauthorized"}']);
      const isGiven = authorization?.startsWith('Bearer ') ?? false;
      expect(answer.headers['www-authenticate']).toBe(isGiven ? 'Bearer error="invalid_token"' : 'Bearer');
    }
  });

  it('comes before the body', async () => {
    const answer = await app.inject({
      method: 'POST',
      url: '/platform',
      payload: '{',
      headers: { 'content-type': 'application/json' },
    });
    expect(answer.statusCode).toBe(401);
  });

  it('lets only the named access levels through', async () => {
    for (const [access, status] of [
      ['platform', 201],
      ['all', 403],
      ['call_api', 403],
    ] as const) {
      const authorization = `Bearer ${await signToken(await addApplication(access), key)}`;
      const answer = await app.inject({ method: 'POST', url: '/platform', headers: { authorization } });
      expect(answer.statusCode).toBe(status);
      if (status === 403) expect(answer.json()).toMatchObject({ status: 'app_access_type_deny' });
    }
  });

  it('accepts a key that was added after the start', async () => {
    const added = await addKey();
    const authorization = `Bearer ${await signToken(await addApplication('all'), added)}`;
    await vi.waitFor(async () => expect((await who(authorization)).statusCode).toBe(200), { timeout: 10_000, interval: 50 });
  });

  it('refuses an application soon after it was revoked', async () => {
    const principal = await addApplication('all');
    const authorization = `Bearer ${await signToken(principal, key)}`;
    expect((await who(authorization)).statusCode).toBe(200);
    await poolOf(dataSource).query('update access.application set revoked_at = now() where id = $1', [principal.applicationId]);
    await vi.waitFor(async () => expect((await who(authorization)).statusCode).toBe(401), { timeout: 10_000, interval: 50 });
  });

  it('asks nothing of public routes', async () => {
    expect((await app.inject({ method: 'GET', url: '/public' })).body).toBe('open');
    expect((await app.inject({ method: 'GET', url: '/health/live' })).statusCode).toBe(200);
    expect((await app.inject({ method: 'GET', url: '/nothing' })).statusCode).toBe(404);
  });
});
