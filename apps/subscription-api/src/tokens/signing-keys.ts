import { Inject, Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { importJWK, type CryptoKey, type JWK } from 'jose';
import {
  isSettled,
  makeSigningKey,
  planRotation,
  signingKeyAt,
  SigningKeyRepository,
  TOKEN_ALGORITHM,
  type NewSigningKey,
  type RotatingKey,
  type TokenSigningKey,
  type StoredSigningKey,
} from '#auth';
import type { Sealer } from '#database';
import { StartError, type Logger } from '#runtime';
import { LOGGER, SEALER, SETTINGS, TIMES, type ServiceTimes } from '../core.module.js';
import type { SubscriptionApiSettings } from '../settings.js';

type Signer = RotatingKey & TokenSigningKey;

/**
 * The key that signs tokens, and the public keys that others verify them with. Each instance looks at the keys in the
 * database now and then, and rotates them when it is time. While the database is away it keeps those that it knows; it
 * signs nothing then, since credentials cannot be checked. With an external issuer there are none.
 */
@Injectable()
export class SigningKeys implements OnModuleInit, OnModuleDestroy {
  private publicKeys: readonly JWK[] = [];
  /** The key that signs now, and its successor where there is one. */
  private signers: readonly Signer[] = [];
  private failing = false;
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> = Promise.resolve();
  private stopped = false;

  constructor(
    private readonly repository: SigningKeyRepository,
    @Inject(SEALER) private readonly sealer: Sealer,
    @Inject(SETTINGS) private readonly settings: Pick<SubscriptionApiSettings, 'SIGNING_KEY_LIFETIME' | 'OIDC_ISSUER'>,
    @Inject(LOGGER) private readonly logger: Logger,
    @Inject(TIMES) private readonly times: Pick<ServiceTimes, 'signingKeyRefreshMs'>,
  ) {}

  async onModuleInit(): Promise<void> {
    if (this.settings.OIDC_ISSUER !== undefined) return;
    await this.refresh();
    this.schedule();
  }

  async onModuleDestroy(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    await this.running;
  }

  get current(): TokenSigningKey {
    const current = signingKeyAt(this.signers, Date.now());
    if (!current) throw new Error('there is no signing key before the module is initialised');
    return current;
  }

  /**
   * Returns the key set of RFC 7517, for `/.well-known/jwks.json`: also keys that are yet to sign, and those whose last tokens have not
   * expired.
   */
  get publicKeySet(): { readonly keys: readonly JWK[] } {
    return { keys: this.publicKeys };
  }

  private async refresh(): Promise<void> {
    const { SIGNING_KEY_LIFETIME: lifetimeMs } = this.settings;
    const { keys: found, now } = await this.repository.read();
    const keys = isSettled(planRotation(found, now, lifetimeMs)) ? found : await this.rotate(lifetimeMs);
    const current = signingKeyAt(keys, now);
    const signing = keys.filter((key) => key === current || key.activatesAt > now);
    this.signers = await Promise.all(signing.map((key) => this.open(key)));
    this.publicKeys = keys.map(({ publicJwk }) => publicJwk);
  }

  private async rotate(lifetimeMs: number): Promise<StoredSigningKey[]> {
    const { keys, added, removed } = await this.repository.rotate(lifetimeMs, () => this.make());
    if (added.length + removed.length > 0) this.logger.info({ added, removed }, 'signing_key.rotated');
    return keys;
  }

  private async make(): Promise<NewSigningKey> {
    const { kid, publicJwk, privateJwk } = await makeSigningKey();
    return { kid, publicJwk, privateJwkSealed: this.sealer.seal(JSON.stringify(privateJwk)) };
  }

  private async open(key: StoredSigningKey): Promise<Signer> {
    const known = this.signers.find(({ kid }) => kid === key.kid);
    if (known) return { ...key, privateKey: known.privateKey };
    try {
      const privateJwk = JSON.parse(this.sealer.open(key.privateJwkSealed)) as JWK;
      return { ...key, privateKey: (await importJWK(privateJwk, TOKEN_ALGORITHM)) as CryptoKey };
    } catch (error) {
      throw new StartError(`ENCRYPTION_KEY: the signing key in the database cannot be opened (${(error as Error).message})`, {
        cause: error,
      });
    }
  }

  private schedule(): void {
    this.timer = setTimeout(() => {
      this.running = this.refreshOrLog().then(() => {
        if (!this.stopped) this.schedule();
      });
    }, this.times.signingKeyRefreshMs).unref();
  }

  private async refreshOrLog(): Promise<void> {
    try {
      await this.refresh();
      if (this.failing) this.logger.info('signing_key.refreshed_again');
      this.failing = false;
    } catch (error) {
      if (!this.failing) this.logger.warn({ err: error }, 'signing_key.refresh_failed');
      this.failing = true;
    }
  }
}
