import { Inject, Injectable } from '@nestjs/common';
import type { Principal } from '#auth';
import { ApiError } from '#http';
import type { AddressGuard } from '#webhook';
import { ADDRESS_GUARD } from '../core.module.js';
import { rangeOf, type Paging } from '../http/paging.js';
import { notFound } from '../http/path-params.js';
import { assertDestination } from '../http/request-body.js';
import { WebhookSecrets } from '../webhook-secrets/webhook-secrets.module.js';
import { NoticeEventRepository, type NoticeEventRow } from './notice-event.repository.js';
import type { NewNoticeEvent, NoticeEventPatch, NoticeEventView } from './notice.schema.js';

/** So many a client may have: each notice is sent to all of them. */
const MAX_NOTICE_EVENTS = 100;

/** What may be done with notice events, and how a caller is told why not: contract §3. */
@Injectable()
export class NoticeEvents {
  constructor(
    private readonly repository: NoticeEventRepository,
    private readonly secrets: WebhookSecrets,
    @Inject(ADDRESS_GUARD) private readonly guard: AddressGuard,
  ) {}

  async find(clientId: number, id: number): Promise<NoticeEventView> {
    const found = await this.repository.find(clientId, id);
    if (!found) throw notFound('not_found');
    return noticeEventViewOf(found);
  }

  async list(clientId: number, paging: Paging): Promise<NoticeEventView[]> {
    const { skip, take } = rangeOf(paging);
    return (await this.repository.list(clientId, skip, take)).map(noticeEventViewOf);
  }

  async add(clientId: number, event: NewNoticeEvent, { applicationId }: Principal): Promise<NoticeEventView> {
    assertDestination(event.url, this.guard);
    const added = await this.repository.add(clientId, event, applicationId, MAX_NOTICE_EVENTS, (transaction) =>
      this.secrets.ensure(clientId, transaction),
    );
    if (!added)
      throw new ApiError('event_limit_exceeded', `A client may have ${MAX_NOTICE_EVENTS} notice events at most: remove some`);
    return noticeEventViewOf(added);
  }

  async change(clientId: number, id: number, patch: NoticeEventPatch): Promise<NoticeEventView> {
    if (patch.url !== undefined) assertDestination(patch.url, this.guard);
    if (!(await this.repository.change(clientId, id, patch))) throw notFound('not_found');
    return this.find(clientId, id);
  }

  async remove(clientId: number, id: number): Promise<void> {
    if (!(await this.repository.remove(clientId, id))) throw notFound('not_found');
  }

  /** Has one that is suspended be sent to again, what waited for it first. */
  async resume(clientId: number, id: number): Promise<NoticeEventView> {
    await this.find(clientId, id);
    await this.repository.resume(id);
    return this.find(clientId, id);
  }
}

function noticeEventViewOf({ id, url, types, suspended_at, suspended_reason }: NoticeEventRow): NoticeEventView {
  const suspended = suspended_at && suspended_reason && { reason: suspended_reason, since: suspended_at.toISOString() };
  return { id, url, types, suspended };
}
