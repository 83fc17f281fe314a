import { Inject, Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import type { ServerResponse } from 'node:http';
import { expiryOf, TokenVerifier } from '#auth';
import { ApiError } from '#http';
import { PeriodicWork, type Logger } from '#runtime';
import { mayActFor } from '../admission/admission.module.js';
import { LOGGER, TIMES, type ServiceTimes } from '../core.module.js';
import { ApiMetrics } from '../metrics.js';
import type { EventStream } from './event-stream.js';
import { ReaderProgress } from './reader-progress.js';
import { StreamPlaces } from './stream-places.js';

/** Contract §3: of all kinds together. */
const PLACES = { perClient: 200, inAll: 1000 };

/** Whose stream, and by which right. */
export interface StreamOwner {
  /** Whose events. */
  readonly clientId: number;
  readonly token: string;
}

interface OpenStream extends StreamOwner {
  readonly stream: EventStream;
  readonly response: ServerResponse;
  readonly progress: ReaderProgress;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

/**
 * Keeps the open streams of this instance, of every kind. A stream ends when its reader leaves, its token loses the right to it,
 * or the service stops.
 */
@Injectable()
export class OpenStreams implements OnModuleInit, OnModuleDestroy {
  private readonly places = new StreamPlaces(PLACES);
  private readonly open = new Set<OpenStream>();
  private readonly checks = new PeriodicWork((error) => this.logger.error({ err: error }, 'streams.check_failed'));
  /** Tokens that are being looked at. */
  private readonly verifying = new Set<string>();
  private isStopping = false;

  constructor(
    private readonly verifier: TokenVerifier,
    private readonly metrics: ApiMetrics,
    @Inject(LOGGER) private readonly logger: Logger,
    @Inject(TIMES) private readonly times: Pick<ServiceTimes, 'streams'>,
  ) {}

  onModuleInit(): void {
    this.checks.every(this.times.streams.checkMs, () => this.check());
  }

  async onModuleDestroy(): Promise<void> {
    this.stop();
    await this.checks.stop();
  }

  /** Ends all streams and refuses new ones. */
  stop(): void {
    this.isStopping = true;
    for (const { stream } of this.open) stream.end();
  }

  /**
   * Takes one of the places for streams, until the response is closed.
   *
   * @throws ApiError `unavailable` when there is none
   */
  takePlace(clientId: number, response: ServerResponse): void {
    if (this.isStopping) throw new ApiError('unavailable', 'The service is stopping', { headers: { 'retry-after': '2' } });
    const leave = this.place(clientId);
    if (response.closed) leave();
    else response.once('close', leave);
  }

  private place(clientId: number): () => void {
    try {
      return this.places.take(clientId);
    } catch (error) {
      this.metrics.countStreamRefused();
      throw error;
    }
  }

  /**
   * Checks a stream regularly until it is closed.
   *
   * @param response what it is sent as
   */
  keep(owner: StreamOwner, stream: EventStream, response: ServerResponse): void {
    const entry = { ...owner, stream, response, progress: new ReaderProgress(), expiresAt: expiryOf(owner.token) };
    this.open.add(entry);
    this.metrics.setStreams(this.open.size);
    stream.body.once('close', () => {
      this.open.delete(entry);
      this.metrics.setStreams(this.open.size);
    });
    response.once('close', () => stream.body.destroy());
    if (response.closed) stream.body.destroy();
    if (this.isStopping) stream.end();
  }

  /** Checks every stream: whether it may go on, and whether its reader keeps reading. */
  private check(): Promise<void> {
    const now = Date.now();
    const byToken = new Map<string, OpenStream[]>();
    for (const entry of this.open) {
      const { stream, response, progress, token, expiresAt } = entry;
      // One that has ended is closed when its reader has taken the rest, for which it has no long time.
      const stalledMs = stream.isEnded ? this.times.streams.checkMs : this.times.streams.stalledMs;
      if (response.socket && progress.hasStalled(response.socket, stalledMs, now)) response.destroy();
      else stream.keepAlive(this.times.streams.keepAliveMs);
      if (expiresAt <= now) stream.end();
      const entries = byToken.get(token);
      if (entries) entries.push(entry);
      else byToken.set(token, [entry]);
    }
    for (const [token, entries] of byToken) if (!this.verifying.has(token)) void this.verify(token, entries);
    return Promise.resolve();
  }

  /**
   * Ends the streams of a token whose holder may no longer open them. If that cannot be checked they stay until the token
   * expires.
   */
  private async verify(token: string, entries: readonly OpenStream[]): Promise<void> {
    this.verifying.add(token);
    try {
      const holder = await this.verifier.verify(token);
      for (const { clientId, stream } of entries) if (!holder || !mayActFor(holder, clientId)) stream.end();
    } catch (error) {
      this.logger.warn({ err: error }, 'streams.token_not_looked_at');
    } finally {
      this.verifying.delete(token);
    }
  }
}
