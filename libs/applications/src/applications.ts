import { Injectable } from '@nestjs/common';
import type { AccessLevel } from '#auth';
import type { ApplicationEntity } from '#database';
import { ApplicationRepository } from './application.repository.js';
import type { NewApplication } from './new-application.js';
import { makeSecret, hashSecret } from './secret-hash.js';

/** Longest that a replaced secret may go on: a day. */
export const MAX_KEEP_PREVIOUS_SECONDS = 86_400;

/** A registered application as the REST API and the command show it. */
export interface Application {
  readonly app_id: string;
  readonly client_id: number;
  readonly access: AccessLevel;
  readonly created_at: string;
  /** Null: it may call. */
  readonly revoked_at: string | null;
}

/** What is shown once, when the secret is made: only its hash is kept. */
export interface ApplicationWithSecret extends Application {
  readonly secret: string;
}

/**
 * The applications that may ask for tokens: contract §2. A revoked one stays, so that its name is never given to
 * another, and can do nothing any more.
 */
@Injectable()
export class Applications {
  constructor(private readonly repository: ApplicationRepository) {}

  /**
   * @param by who registers it, for the audit log
   * @returns undefined when the name is taken, be it by a revoked one
   */
  async register(application: NewApplication, by: string): Promise<ApplicationWithSecret | undefined> {
    const { secret, hash } = await makeSecret();
    return (await this.repository.addIfMissing(application, hash, by)) ? this.show(application.app_id, secret) : undefined;
  }

  /**
   * Registers an application whose secret was chosen elsewhere (BOOTSTRAP_APPS); one of that name is left as it is.
   *
   * @returns whether it was added
   */
  async ensure(application: NewApplication, secret: string): Promise<boolean> {
    if (await this.repository.findByAppId(application.app_id)) return false; // spares the hash, which is slow on purpose
    return this.repository.addIfMissing(application, await hashSecret(secret), 'BOOTSTRAP_APPS');
  }

  /**
   * Lists applications in the order of their registration, revoked ones too.
   *
   * @param clientId undefined: of every client
   * @param range rows to skip and to take; all where absent
   */
  async list(clientId?: number, range: { readonly skip: number; readonly take?: number } = { skip: 0 }): Promise<Application[]> {
    return (await this.repository.list(clientId, range.skip, range.take)).map(applicationViewOf);
  }

  async find(appId: string): Promise<Application | undefined> {
    const found = await this.repository.findByAppId(appId);
    return found ? applicationViewOf(found) : undefined;
  }

  /**
   * Gives an application a new secret.
   *
   * @param keepPreviousSeconds the replaced secret is good for that long; one that an earlier rotation kept is not
   * @param by who asks for it, for the audit log
   * @returns undefined: no such application, or it is revoked
   */
  async rotateSecret(appId: string, keepPreviousSeconds: number, by: string): Promise<ApplicationWithSecret | undefined> {
    const found = await this.repository.findByAppId(appId);
    if (!found || found.revokedAt) return undefined;
    const { secret, hash } = await makeSecret();
    const replaced = await this.repository.replaceSecret(found, hash, keepPreviousSeconds, by);
    return replaced ? this.show(appId, secret) : undefined;
  }

  /**
   * Revokes an application for good: it gets no more tokens, and those that it has are refused within seconds.
   *
   * @param by who asks for it, for the audit log
   * @returns undefined: no such application, or it was revoked before
   */
  async revoke(appId: string, by: string): Promise<Application | undefined> {
    const found = await this.repository.findByAppId(appId);
    if (!found || !(await this.repository.revoke(found, by))) return undefined;
    return this.find(appId);
  }

  private async show(appId: string, secret: string): Promise<ApplicationWithSecret | undefined> {
    const application = await this.find(appId);
    return application && { ...application, secret };
  }
}

function applicationViewOf(entity: ApplicationEntity): Application {
  return {
    app_id: entity.appId,
    client_id: entity.clientId,
    access: entity.access,
    created_at: entity.createdAt.toISOString(),
    revoked_at: entity.revokedAt?.toISOString() ?? null,
  };
}
