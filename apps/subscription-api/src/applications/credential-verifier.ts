import { createHmac, randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { LruCache, type Principal } from '#auth';
import { ApiError } from '#http';
import { ApplicationRepository } from './application.repository.js';
import { hashSecret, verifySecret } from './secret-hash.js';

const MAX_VERIFIED = 10_000;
/** A changed or revoked secret goes on giving tokens for at most this long; tokens of revoked applications are refused anyway. */
const VERIFIED_TTL_MS = 60_000;
/** Each hash takes 16 MiB and a core: more at a time would only starve the rest. */
const MAX_HASHING = 2;
const MAX_WAITING = 500;

/**
 * Checks an application's id and secret. The hash is slow on purpose, and real clients ask for a token before every
 * call, so a pair that was right is remembered for a minute: as an HMAC under a key of this process, never as it came.
 */
@Injectable()
export class CredentialVerifier {
  private readonly key = randomBytes(32);
  private readonly verified = new LruCache<string, Principal>(MAX_VERIFIED);
  private readonly pending = new Map<string, Promise<Principal | undefined>>();
  private readonly waiting: (() => void)[] = [];
  private hashing = 0;
  private decoyHash: Promise<string> | undefined;

  constructor(private readonly applications: ApplicationRepository) {}

  /** @returns undefined when the pair is not right, whichever of the two is wrong */
  async verify(appId: string, secret: string): Promise<Principal | undefined> {
    const pair = createHmac('sha256', this.key).update(`${appId.length}:${appId}:${secret}`).digest('base64');
    const known = this.verified.get(pair, Date.now());
    if (known) return known;
    let checking = this.pending.get(pair);
    if (!checking) {
      checking = this.check(appId, secret).finally(() => this.pending.delete(pair));
      this.pending.set(pair, checking);
    }
    const principal = await checking;
    if (principal) this.verified.set(pair, principal, Date.now() + VERIFIED_TTL_MS);
    return principal;
  }

  private async check(appId: string, secret: string): Promise<Principal | undefined> {
    const application = appId.includes('\0') ? null : await this.applications.findByAppId(appId);
    const active = application?.revokedAt === null ? application : undefined;
    const matches = await this.limited(async () => {
      // An unknown application costs the same as a wrong secret, so that time does not tell which names exist.
      const hash = active?.secretHash ?? (await (this.decoyHash ??= hashSecret(randomBytes(16).toString('hex'))));
      return verifySecret(secret, hash);
    });
    if (!matches || !active) return undefined;
    return { applicationId: active.id, appId: active.appId, clientId: active.clientId, access: active.access };
  }

  private async limited<T>(work: () => Promise<T>): Promise<T> {
    if (this.hashing >= MAX_HASHING) {
      if (this.waiting.length >= MAX_WAITING)
        throw new ApiError('unavailable', 'Too many token requests', { headers: { 'retry-after': '1' } });
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    } else {
      this.hashing++;
    }
    try {
      return await work();
    } finally {
      const next = this.waiting.shift();
      if (next) next();
      else this.hashing--;
    }
  }
}
