import { Inject, Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import type { ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '#runtime';
import { LOGGER } from '../core.module.js';
import { type ResetReason, type LogFrame, OpenStreams, type StreamOwner } from '../streams/streams.module.js';
import { EventStream } from '../streams/streams.module.js';
import { frameOfEntry } from './agent-status.schema.js';
import { ClientHub } from './client-hub.js';
import { ClientTurns } from './client-turns.js';
import { LogMark } from './log-mark.js';
import { StatusLogRepository } from './status-log.repository.js';

/** How often the log is looked at while there are streams, in milliseconds. */
const POLL_MS = 200;
const PAUSE_AFTER_FAILURE_MS = 2000;
/** Clients whose logs are read at the same time, out of the connections that all requests share. */
const CLIENTS_READ_AT_ONCE = 3;

/** Where a stream begins: after a position, and what its reader is told if that is not where it asked for. */
export interface StreamStart {
  readonly cursor: number;
  readonly reset?: ResetReason;
}

/** Serves the streams of agent status on this instance: contract §3. While there are none, the log is not polled. */
@Injectable()
export class StatusStreams implements OnModuleInit, OnModuleDestroy {
  private readonly turns = new ClientTurns(CLIENTS_READ_AT_ONCE);
  private readonly hubs = new Map<number, ClientHub>();
  private polling: Promise<void> | undefined;
  private isStopping = false;
  private failureLoggedAt = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly log: StatusLogRepository,
    private readonly mark: LogMark,
    private readonly openStreams: OpenStreams,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  onModuleInit(): void {
    this.mark.listen({
      moved: (position, lastOf) => {
        for (const [clientId, hub] of this.hubs) hub.moved(position, !lastOf || lastOf.has(clientId));
      },
      wentBack: (position) => {
        for (const hub of this.hubs.values()) hub.wentBack(position);
      },
    });
  }

  async onModuleDestroy(): Promise<void> {
    this.isStopping = true;
    this.openStreams.stop();
    await this.polling;
  }

  /**
   * Opens a stream, which ends with the reader, with the right to it, or with the service.
   *
   * @param response what it is sent as
   */
  follow(owner: StreamOwner, start: StreamStart, response: ServerResponse): EventStream {
    const stream = new EventStream(start.cursor);
    if (start.reset) stream.reset(start.cursor, start.reset);
    const hub = this.hubOf(owner.clientId);
    hub.add(stream);
    stream.body.once('close', () => {
      if (hub.isEmpty) this.hubs.delete(owner.clientId);
    });
    this.openStreams.keep(owner, stream, response);
    this.polling ??= this.poll();
    return stream;
  }

  private hubOf(clientId: number): ClientHub {
    let hub = this.hubs.get(clientId);
    if (!hub) {
      hub = new ClientHub(
        this.mark.position,
        (after, upTo, limit, writtenMs) => this.read(clientId, after, upTo, limit, writtenMs),
        (error) => this.pause(error),
        (position) => this.mark.next(position),
      );
      this.hubs.set(clientId, hub);
    }
    return hub;
  }

  private read(clientId: number, after: number, upTo: number, limit: number, writtenMs: number | undefined): Promise<LogFrame[]> {
    const isUrgent = writtenMs !== undefined; // what is new goes to all streams of the client
    return this.turns.run(clientId, isUrgent, async () => {
      const entries = await this.log.readEntries(clientId, { after, upTo }, writtenMs, limit);
      return entries.map((entry) => ({ position: entry.position, frame: frameOfEntry(entry) }));
    });
  }

  private async poll(): Promise<void> {
    while (this.hubs.size > 0 && !this.isStopping) {
      try {
        await this.mark.move();
        await delay(POLL_MS);
      } catch (error) {
        await this.pause(error); // streams stay open; the next look may succeed
      }
    }
    this.polling = undefined;
  }

  private logFailure(error: unknown): void {
    if (Date.now() - this.failureLoggedAt < PAUSE_AFTER_FAILURE_MS) return;
    this.failureLoggedAt = Date.now();
    this.logger.warn({ err: error }, 'streams.database_failed');
  }

  private async pause(error: unknown): Promise<void> {
    this.logFailure(error);
    await delay(this.isStopping ? POLL_MS : PAUSE_AFTER_FAILURE_MS);
  }
}
