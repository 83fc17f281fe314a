import { createHmac, randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { ApplicationRepository, hashSecret, verifySecret } from '#applications';
import type { Principal } from '#auth';
import { ApiError } from '#http';

const MAX_VERIFIED = 10_000;
/** For memory's sake alone: what a hash is of does not change. */
const VERIFIED_TTL_MS = 3_600_000;
/** Each hash takes 16 MiB and a core: more at a time would only starve the rest. */
const MAX_HASHING = 2;
const MAX_WAITING = 500;

/**
 * Checks an application's id and secret against the application as it is now: a secret that was replaced and an
 * application that was revoked are refused at once, by every instance. The hash is slow on purpose, and real clients
 * ask for a token before every call, so that a secret was the one of a hash is remembered: as an HMAC under a key of
 * this process, never as it came.
 */
@Injectable()
export class CredentialVerifier {
  private readonly key = randomBytes(32);
  private readonly verified = new LRUCache<string, true>({ max: MAX_VERIFIED, ttl: VERIFIED_TTL_MS });
  private readonly pending = new Map<string, Promise<boolean>>();
  private readonly waiting: (() => void)[] = [];
  private hashing = 0;
  private decoyHash: Promise<string> | undefined;

  constructor(private readonly applications: ApplicationRepository) {}

  /** @returns undefined when the pair is not right, whichever of the two is wrong */
  async verify(appId: string, secret: string): Promise<Principal | undefined> {
    const credentials = await this.applications.findCredentials(appId);
    if (!credentials) {
      // Costs the same as a wrong secret, so that time does not tell which names exist (beyond those being rotated).
      await this.isSecretOf(await (this.decoyHash ??= hashSecret(randomBytes(16).toString('hex'))), secret);
      return undefined;
    }
    const { secretHashes, ...application } = credentials;
    return (await this.isSecretOfOne(secretHashes, secret)) ? { ...application, appId } : undefined;
  }

  private async isSecretOfOne(hashes: readonly string[], secret: string): Promise<boolean> {
    if (hashes.some((hash) => this.verified.get(this.pairOf(hash, secret)))) return true;
    for (const hash of hashes) if (await this.isSecretOf(hash, secret)) return true;
    return false;
  }

  /** Worked out once for callers that come at the same time. */
  private async isSecretOf(hash: string, secret: string): Promise<boolean> {
    const pair = this.pairOf(hash, secret);
    let checking = this.pending.get(pair);
    if (!checking) {
      checking = this.limited(() => verifySecret(secret, hash)).finally(() => this.pending.delete(pair));
      this.pending.set(pair, checking);
    }
    const matches = await checking;
    if (matches) this.verified.set(pair, true);
    return matches;
  }

  private pairOf(hash: string, secret: string): string {
    return createHmac('sha256', this.key).update(`${hash} ${secret}`).digest('base64');
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
