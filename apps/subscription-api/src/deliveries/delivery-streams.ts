import { Inject, Injectable, type OnModuleDestroy } from '@nestjs/common';
import type { ServerResponse } from 'node:http';
import { parseId } from '#contracts';
import type { NotificationListener } from '#database';
import { PeriodicWork, type Logger } from '#runtime';
import { parseDeliveryId } from '#webhook';
import { LOGGER } from '../core.module.js';
import { EventStream, hintFrame, OpenStreams, type StreamOwner } from '../streams/streams.module.js';
import { DeliveryFactsRepository } from './delivery-facts.repository.js';
import type { DeliveryFilter } from './delivery-filter.js';
import { DeliveryList, matchesFilter, type ShownDelivery } from './delivery-list.js';

/** Five looks a second, however much happens, in milliseconds. */
const LOOK_MS = 200;
/** Deliveries of a client that a look takes; of more, no more is told. */
const MAX_OF_CLIENT = 200;

interface Watcher {
  readonly stream: EventStream;
  readonly filter: DeliveryFilter;
}

/**
 * Streams what becomes of deliveries: contract §3. The stream is a hint, not a log: a reader that was away, or is too slow, reads
 * the list again. Without readers the database is not listened to.
 */
@Injectable()
export class DeliveryStreams implements OnModuleDestroy {
  private readonly watchers = new Map<number, Set<Watcher>>();
  /** Ids of deliveries that dispatchers have told of, by client. */
  private readonly hinted = new Map<number, Set<string>>();
  private readonly looks: PeriodicWork;
  private listener: NotificationListener | undefined;

  constructor(
    private readonly facts: DeliveryFactsRepository,
    private readonly deliveries: DeliveryList,
    private readonly openStreams: OpenStreams,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    this.looks = new PeriodicWork((error) => this.logger.warn({ err: error }, 'delivery_stream.look_failed'));
    this.looks.every(LOOK_MS, () => this.look());
  }

  async onModuleDestroy(): Promise<void> {
    await this.looks.stop();
    await this.listener?.stop();
  }

  /**
   * Opens a stream, which ends with the reader, with the right to it, or with the service.
   *
   * @param response what it is sent as
   */
  follow(owner: StreamOwner, filter: DeliveryFilter, response: ServerResponse): EventStream {
    const stream = new EventStream(0);
    const watcher = { stream, filter };
    const ofClient = this.watchers.get(owner.clientId) ?? new Set();
    this.watchers.set(owner.clientId, ofClient.add(watcher));
    stream.body.once('close', () => this.leave(owner.clientId, watcher));
    this.openStreams.keep(owner, stream, response);
    this.listen();
    return stream;
  }

  private leave(clientId: number, watcher: Watcher): void {
    const ofClient = this.watchers.get(clientId);
    ofClient?.delete(watcher);
    if (ofClient?.size === 0) this.watchers.delete(clientId);
    if (this.watchers.size > 0) return;
    void this.listener?.stop();
    this.listener = undefined;
  }

  private listen(): void {
    if (this.listener || this.watchers.size === 0) return;
    this.listener = this.facts.listen((payload) => this.note(payload), this.logger);
  }

  private note(payload: string): void {
    const [client, ...ids] = payload.split(' ');
    const clientId = parseId(client!);
    if (clientId === undefined || !this.watchers.has(clientId)) return;
    const hinted = this.hinted.get(clientId) ?? new Set();
    for (const id of ids) if (hinted.size < MAX_OF_CLIENT) hinted.add(id);
    this.hinted.set(clientId, hinted);
  }

  private async look(): Promise<void> {
    const hinted = [...this.hinted];
    this.hinted.clear();
    for (const [clientId, ids] of hinted) {
      const watchers = this.watchers.get(clientId);
      if (!watchers) continue;
      const deliveries = await this.deliveries.show(
        clientId,
        [...ids].flatMap((id) => parseDeliveryId(id) ?? []),
      );
      for (const { stream, filter } of watchers) {
        const frames = deliveries.filter((delivery) => matchesFilter(delivery, filter)).map(frameOfDelivery);
        if (frames.length > 0) stream.hint(frames.join(''));
      }
    }
  }
}

function frameOfDelivery({ id, state, lastAttempt }: ShownDelivery): string {
  return hintFrame('delivery', { delivery_id: id, status: state.status, attempt: lastAttempt?.attempt ?? null });
}
