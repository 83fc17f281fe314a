import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { ApplicationRepository } from '#applications';
import type { Principal } from '#auth';
import { parseId } from '#contracts';
import { ApiError } from '#http';
import { noClientId, notFound } from '../http/path-params.js';

const MAX_CLIENTS = 50_000;
/** Another instance may have been told to remove one, so it is asked again soon. */
const KNOWN_MS = 3000;

/** Tells whether an application may act for a client, whether or not that client exists. */
export function mayActFor({ clientId, access }: Principal, other: number | undefined): boolean {
  return clientId === other || access === 'platform';
}

/** Decides whether an application may act for the client that a path names: contract §1 and §2. */
@Injectable()
export class ClientAccess {
  private readonly known = new LRUCache<number, true>({ max: MAX_CLIENTS, ttl: KNOWN_MS });

  constructor(private readonly applications: ApplicationRepository) {}

  /**
   * @param segment `@me` or a decimal id
   * @param isChange whether something is to be changed: then what was known a moment ago is not enough, since what is added to a client
   *   that another instance was told to remove would stay
   * @throws ApiError `access_denied`, the same whether that client exists or not; `client_not_found` to platform alone
   */
  async resolve(principal: Principal, segment: string, isChange: boolean): Promise<number> {
    if (segment === '@me') return principal.clientId;
    const clientId = parseId(segment);
    if (clientId === principal.clientId) return clientId;
    if (!mayActFor(principal, clientId)) {
      if (clientId === undefined) throw noClientId('not_found'); // no client can have such an id, so this tells nothing
      throw new ApiError('access_denied', 'Access denied');
    }
    if (clientId === undefined) throw noClientId('client_not_found');
    if (!(await this.exists(clientId, isChange))) throw notFound('client_not_found');
    return clientId;
  }

  /** Drops a client from the cache, so that the next request asks the database whether it still exists. */
  forget(clientId: number): void {
    this.known.delete(clientId);
  }

  private async exists(clientId: number, isChange: boolean): Promise<boolean> {
    if (!isChange && this.known.get(clientId)) return true;
    const exists = await this.applications.clientExists(clientId);
    if (exists) this.known.set(clientId, true);
    else this.forget(clientId);
    return exists;
  }
}
