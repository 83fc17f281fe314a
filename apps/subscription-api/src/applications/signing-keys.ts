import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { importJWK, type CryptoKey, type JWK } from 'jose';
import { AccessRepository, LruCache, makeSigningKey, type SigningKey } from '#auth';
import type { Sealer } from '#database';
import { StartError } from '#runtime';
import { SEALER } from '../tokens.js';
import { SigningKeyRepository } from './signing-key.repository.js';

/** The key set is read from the database at most this often, in milliseconds: it is asked for without a token. */
const KEY_SET_TTL_MS = 5000;

/** The key that signs tokens, and the public keys that others verify them with. */
@Injectable()
export class SigningKeys implements OnModuleInit {
  private signing: SigningKey | undefined;
  private readonly keySet = new LruCache<'keys', JWK[]>(1);

  constructor(
    private readonly repository: SigningKeyRepository,
    private readonly access: AccessRepository,
    @Inject(SEALER) private readonly sealer: Sealer,
  ) {}

  async onModuleInit(): Promise<void> {
    const stored = await this.repository.findOrAdd(async () => {
      const { kid, publicJwk, privateJwk } = await makeSigningKey();
      return { kid, publicJwk, privateJwkSealed: this.sealer.seal(JSON.stringify(privateJwk)) };
    });
    this.signing = { kid: stored.kid, privateKey: (await importJWK(this.open(stored.privateJwkSealed), 'ES256')) as CryptoKey };
  }

  get current(): SigningKey {
    if (!this.signing) throw new Error('the signing key is not there before the module is initialised');
    return this.signing;
  }

  /** RFC 7517, for `/.well-known/jwks.json`. */
  async publicKeySet(): Promise<{ keys: JWK[] }> {
    let keys = this.keySet.get('keys', Date.now());
    if (!keys) {
      keys = (await this.access.readPublicKeys()).map(({ jwk }) => jwk);
      this.keySet.set('keys', keys, Date.now() + KEY_SET_TTL_MS);
    }
    return { keys };
  }

  private open(sealed: string): JWK {
    try {
      return JSON.parse(this.sealer.open(sealed)) as JWK;
    } catch (error) {
      throw new StartError(`ENCRYPTION_KEY: the signing key in the database cannot be opened (${(error as Error).message})`, {
        cause: error,
      });
    }
  }
}
