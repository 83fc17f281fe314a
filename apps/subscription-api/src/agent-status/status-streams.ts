import { Inject, Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import type { ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { expiryOf, TokenVerifier } from '#auth';
import { ApiError } from '#http';
import { PeriodicWork, type Logger } from '#runtime';
import { mayActFor } from '../request/client-access.js';
import { LOGGER, STREAM_TIMES } from '../tokens.js';
import { frameOfEntry } from './agent-status.schema.js';
import { ClientHub } from './client-hub.js';
import { ClientTurns } from './client-turns.js';
import type { ResetReason } from './cursor.js';
import { EventStream } from './event-stream.js';
import type { LogFrame } from './log-batch.js';
import { LogMark } from './log-mark.js';
import { ReaderProgress } from './reader-progress.js';
import { StatusLogRepository } from './status-log.repository.js';
import { StreamPlaces } from './stream-places.js';

/** How often the log is looked at while there are streams, in milliseconds. */
const POLL_MS = 200;
const PAUSE_AFTER_FAILURE_MS = 2000;
/** Clients whose logs are read at the same time, out of the connections that all requests share. */
const CLIENTS_READ_AT_ONCE = 3;

/** Times of streams, in milliseconds. */
export interface StreamTimes {
  /** How often each is looked at: whether it may go on, and whether its reader is there. */
  readonly checkMs: number;
  /** Silence after which a stream says that it is alive: below the idle timeouts of common proxies. */
  readonly keepAliveMs: number;
  /** A reader that takes nothing for this long is cut off. */
  readonly stalledMs: number;
}

export const DEFAULT_STREAM_TIMES: StreamTimes = { checkMs: 500, keepAliveMs: 15_000, stalledMs: 60_000 };

/** Contract §3. */
const PLACES = { perClient: 200, inAll: 1000 };

/** Whose stream, and by which right. */
export interface StreamOwner {
  /** Whose log. */
  readonly clientId: number;
  readonly token: string;
}

/** Where a stream begins: after a position, and what its reader is told if that is not where it asked for. */
export interface StreamStart {
  readonly cursor: number;
  readonly reset?: ResetReason;
}

interface OpenStream extends StreamOwner {
  readonly stream: EventStream;
  readonly response: ServerResponse;
  readonly progress: ReaderProgress;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

/** The streams of this instance: contract §3. While there are none, nobody looks at the log. */
@Injectable()
export class StatusStreams implements OnModuleInit, OnModuleDestroy {
  private readonly places = new StreamPlaces(PLACES);
  private readonly turns = new ClientTurns(CLIENTS_READ_AT_ONCE);
  private readonly open = new Set<OpenStream>();
  private readonly hubs = new Map<number, ClientHub>();
  private readonly checks = new PeriodicWork((error) => this.logger.error({ err: error }, 'streams.check_failed'));
  /** Tokens that are being looked at. */
  private readonly verifying = new Set<string>();
  private polling: Promise<void> | undefined;
  private isStopping = false;
  private failureLoggedAt = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly log: StatusLogRepository,
    private readonly mark: LogMark,
    private readonly verifier: TokenVerifier,
    @Inject(LOGGER) private readonly logger: Logger,
    @Inject(STREAM_TIMES) private readonly times: StreamTimes,
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
    this.checks.every(this.times.checkMs, () => this.check());
  }

  async onModuleDestroy(): Promise<void> {
    this.isStopping = true;
    for (const { stream } of this.open) stream.end();
    await this.checks.stop();
    await this.polling;
  }

  /**
   * Takes one of the places for streams, until the response is closed.
   *
   * @throws ApiError `unavailable` when there is none
   */
  takePlace(clientId: number, response: ServerResponse): void {
    if (this.isStopping) throw new ApiError('unavailable', 'The service is stopping', { headers: { 'retry-after': '2' } });
    const leave = this.places.take(clientId);
    if (response.closed) leave();
    else response.once('close', leave);
  }

  /**
   * Opens a stream, which ends with the reader, with the right to it, or with the service.
   *
   * @param response what it is sent as
   */
  follow(owner: StreamOwner, start: StreamStart, response: ServerResponse): EventStream {
    const stream = new EventStream(start.cursor);
    if (start.reset) stream.reset(start.cursor, start.reset);
    const entry = { ...owner, stream, response, progress: new ReaderProgress(), expiresAt: expiryOf(owner.token) };
    this.open.add(entry);
    const hub = this.hubOf(owner.clientId);
    hub.add(stream);
    stream.body.once('close', () => {
      this.open.delete(entry);
      if (hub.isEmpty) this.hubs.delete(owner.clientId);
    });
    response.once('close', () => stream.body.destroy());
    if (response.closed) stream.body.destroy();
    if (this.isStopping) stream.end();
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
    while (this.open.size > 0 && !this.isStopping) {
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

  /** Looks at every stream: whether it may go on, and whether its reader does. */
  private check(): Promise<void> {
    const now = Date.now();
    const byToken = new Map<string, OpenStream[]>();
    for (const entry of this.open) {
      const { stream, response, progress, token, expiresAt } = entry;
      // One that has ended is closed when its reader has taken the rest, for which it has no long time.
      const stalledMs = stream.isEnded ? this.times.checkMs : this.times.stalledMs;
      if (response.socket && progress.hasStalled(response.socket, stalledMs, now)) response.destroy();
      else stream.keepAlive(this.times.keepAliveMs);
      if (expiresAt <= now) stream.end();
      const entries = byToken.get(token);
      if (entries) entries.push(entry);
      else byToken.set(token, [entry]);
    }
    for (const [token, entries] of byToken) if (!this.verifying.has(token)) void this.verify(token, entries);
    return Promise.resolve();
  }

  /** Ends those streams of a token that are no longer its holder's to open. Where that cannot be told they stay until they expire. */
  private async verify(token: string, entries: readonly OpenStream[]): Promise<void> {
    this.verifying.add(token);
    try {
      const holder = await this.verifier.verify(token);
      for (const { clientId, stream } of entries) if (!holder || !mayActFor(holder, clientId)) stream.end();
    } catch (error) {
      this.logFailure(error);
    } finally {
      this.verifying.delete(token);
    }
  }
}
