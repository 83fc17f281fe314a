import { createHmac, randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { ApplicationRepository, hashSecret, isQuickHash, verifySecret, type Credentials } from '#applications';
import type { Principal } from '#auth';
import { BatchedLookup } from './batched-lookup.js';
import { SerialQueue } from './serial-queue.js';

/** Hashes whose secret is remembered. */
const MAX_KNOWN = 10_000;
/** Requests that may wait in each queue, some 40 ms for each one before it. */
const MAX_WAITING = 100;

/** An application's id and secret as a token request gives them. */
export interface CredentialPair {
  readonly appId: string;
  readonly secret: string;
}

type SecretCheck = 'right' | 'wrong' | 'undecided';

/**
 * Checks an application's id and secret against the application as it is now: a secret that was replaced and an
 * application that was revoked are refused at once, by every instance. ADR 20.
 *
 * A right secret is answered without waiting. A secret that was made here has a quick hash. A secret that somebody chose has
 * a hash that is slow on purpose; once it was found right, an HMAC of it under a key of this process is remembered, and any
 * other secret for that hash is then known to be wrong. A wrong secret, or an unknown application, costs the time of a slow
 * hash, so that time does not tell which names exist; these wait in a queue of their own, with bounded places. A slow hash
 * whose secret is not remembered yet is computed in another queue.
 */
@Injectable()
export class CredentialVerifier {
  private readonly key = randomBytes(32);
  /** By hash: the HMAC of its secret. What a hash is of does not change. */
  private readonly known = new LRUCache<string, string>({ max: MAX_KNOWN });
  private readonly pending = new Map<string, Promise<boolean>>();
  private readonly credentials: BatchedLookup<Credentials>;
  private readonly refused = new SerialQueue(MAX_WAITING);
  private readonly undecided = new SerialQueue(MAX_WAITING);
  private decoyHash: Promise<string> | undefined;

  constructor(applications: ApplicationRepository) {
    this.credentials = new BatchedLookup((appIds) => applications.findCredentials(appIds));
  }

  /**
   * Finds the application whose id and secret are among some pairs.
   *
   * @param pairs the readings of one request, the likeliest first
   * @param source who asks, such as an address: of what has to wait, sources take turns
   * @returns undefined when none is right, whether it is the id or the secret that is wrong
   * @throws ApiError `unavailable` when too many wait to be refused
   */
  async verify(pairs: readonly CredentialPair[], source: string): Promise<Principal | undefined> {
    const found = await Promise.all(pairs.map(async (pair) => ({ ...pair, of: await this.credentials.find(pair.appId) })));
    const readings = found.flatMap(({ appId, secret, of }) =>
      of ? of.secretHashes.map((hash) => ({ appId, secret, hash, of })) : [],
    );
    const undecided: typeof readings = [];
    for (const reading of readings) {
      const verdict = await this.judge(reading.secret, reading.hash);
      if (verdict === 'right') return principalOf(reading);
      if (verdict === 'undecided') undecided.push(reading);
    }
    for (const reading of undecided) if (await this.isSlowly(reading, source)) return principalOf(reading);
    if (undecided.length === 0) await this.refuse(pairs, source);
    return undefined;
  }

  /** Judges a secret without computing a slow hash, where possible. */
  private async judge(secret: string, hash: string): Promise<SecretCheck> {
    const known = this.known.get(hash);
    if (known !== undefined) return known === this.tagOf(hash, secret) ? 'right' : 'wrong';
    if (!isQuickHash(hash)) return 'undecided';
    return (await verifySecret(secret, hash)) ? 'right' : 'wrong';
  }

  /** Checks a secret against a slow hash; concurrent callers share one computation. */
  private isSlowly({ appId, secret, hash }: CredentialPair & { readonly hash: string }, source: string): Promise<boolean> {
    const tag = this.tagOf(hash, secret);
    let checking = this.pending.get(tag);
    if (!checking) {
      checking = this.undecided
        .run([appId, source], async () => {
          const known = this.known.get(hash); // found while this waited
          if (known !== undefined) return known === tag;
          const matches = await verifySecret(secret, hash);
          if (matches) this.known.set(hash, tag);
          return matches;
        })
        .finally(() => this.pending.delete(tag));
      this.pending.set(tag, checking);
    }
    return checking;
  }

  /** Spends the time of a slow hash, so that a refusal does not tell which names exist. */
  private async refuse([pair]: readonly CredentialPair[], source: string): Promise<void> {
    if (!pair) return;
    const decoy = await (this.decoyHash ??= hashSecret(randomBytes(16).toString('hex')));
    await this.refused.run([source, pair.appId], () => verifySecret(pair.secret, decoy));
  }

  private tagOf(hash: string, secret: string): string {
    return createHmac('sha256', this.key).update(`${hash} ${secret}`).digest('base64');
  }
}

function principalOf({ appId, of }: { readonly appId: string; readonly of: Credentials }): Principal {
  const { applicationId, clientId, access } = of;
  return { applicationId, appId, clientId, access };
}
