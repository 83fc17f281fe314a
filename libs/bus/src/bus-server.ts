import { Catch, type RpcExceptionFilter } from '@nestjs/common';
import { BaseRpcContext, Server } from '@nestjs/microservices';
import { isObservable, lastValueFrom, throwError, type Observable } from 'rxjs';
import { StartError, waitBackoff, type Backoff, type Logger } from '#runtime';
import type { BusBatch } from './bus.js';

/** Between deliveries of the same records. */
export const REDELIVERY_BACKOFF: Backoff = { firstMs: 100, maxMs: 1000 };

/** Most of one batch, in bytes of keys and values; a larger record is a batch of its own. */
export const MAX_BATCH_BYTES = 1024 * 1024;
/** Most that is held of one partition, in bytes of keys and values; a fetch may go beyond it. */
export const MAX_HELD_BYTES = 4 * 1024 * 1024;

/** How long stopping waits for handlers to finish what they have, in milliseconds; then their signal is aborted ... */
export const STOP_GRACE_MS = 8000;
/** ... and they are given this long to notice. */
export const ABORT_GRACE_MS = 2000;

/**
 * Lets the error that a handler threw through to the log line of the redelivery. Nest's own filter hides it behind
 * "Internal server error" and logs it apart; redelivery happens with either. For `@UseFilters` on a bus controller.
 */
@Catch()
export class BusExceptionFilter implements RpcExceptionFilter {
  catch(error: unknown): Observable<never> {
    return throwError(() => error);
  }
}

/** Base of both transports: checks the handlers, and delivers each batch until its handler succeeds. */
export abstract class BusServer extends Server {
  /** Nest leaves the logging of handlers' errors to this transport. */
  override readonly propagatesEventHandlerErrors = true;

  protected constructor(
    protected readonly groupId: string,
    readonly log: Logger | undefined,
  ) {
    super();
  }

  override on(): never {
    throw new Error('the bus has no events to listen to');
  }

  override unwrap<T>(): T {
    throw new Error('the bus has no server to unwrap');
  }

  /**
   * Lists the topics that have a handler.
   *
   * @throws StartError without handlers, with two for one topic, or with one that awaits messages instead of events
   */
  protected topics(): string[] {
    if (this.messageHandlers.size === 0) throw new StartError(`consumer group ${this.groupId} has no @EventPattern handler`);
    for (const [topic, handler] of this.messageHandlers) {
      if (!handler.isEventHandler) throw new StartError(`the handler of ${topic} must be an @EventPattern`);
      if (handler.next) throw new StartError(`topic ${topic} has two handlers in consumer group ${this.groupId}`);
    }
    return [...this.messageHandlers.keys()];
  }

  /**
   * Hands a batch to its topic's handler until that succeeds.
   *
   * @param stopping no further attempt is made once this is aborted
   * @param onFailure called before each backoff
   * @returns whether the handler resolved and the batch still counts: false once `batch.signal` or `stopping` ended it
   */
  protected async deliver(topic: string, batch: BusBatch, stopping: AbortSignal, onFailure: () => void): Promise<boolean> {
    const ended = (): boolean => batch.signal.aborted || stopping.aborted;
    for (let attempt = 1; !ended(); attempt++) {
      try {
        await this.callHandler(topic, batch);
        return !batch.signal.aborted;
      } catch (error) {
        this.logFailure(topic, batch, error, attempt, ended());
        onFailure();
        if (!ended()) await waitBackoff(attempt, REDELIVERY_BACKOFF, AbortSignal.any([batch.signal, stopping]));
      }
    }
    return false;
  }

  private logFailure(topic: string, { records }: BusBatch, error: unknown, attempt: number, ended: boolean): void {
    const { partition, offset } = records[0] ?? {};
    const fields = { topic, partition, offset, records: records.length, group_id: this.groupId, attempt };
    if (!this.log) this.logger.warn(`bus.handler_failed: ${String(error)} ${JSON.stringify(fields)}`);
    else this.log[ended ? 'info' : 'warn']({ err: error, ...fields }, 'bus.handler_failed');
  }

  /** Nest turns a handler's throw into a returned observable that fails: awaiting the call alone would miss it. */
  private async callHandler(topic: string, batch: BusBatch): Promise<void> {
    const handler = this.messageHandlers.get(topic);
    if (!handler) throw new Error(`topic ${topic} has no handler`);
    const result: unknown = await handler(batch, new BaseRpcContext([topic]));
    if (isObservable(result)) await lastValueFrom(result, { defaultValue: undefined });
  }
}
