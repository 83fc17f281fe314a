import { once } from 'node:events';
import type { Notification, Pool, PoolClient } from 'pg';
import { waitBackoff, type Logger } from '#runtime';
import { SHARDS_CHANNEL } from './relay-lease.repository.js';

const RECONNECT_BACKOFF = { firstMs: 500, maxMs: 10_000 };

/** What is told as changes are put in the outbox. */
const OUTBOX_CHANNEL = 'rollcall_outbox';

export interface OutboxListeners {
  /** Other processes have put something in the outbox: other instances of presence, and the removal of an agent. */
  readonly onOutbox: () => void;
  /** Other instances have come or gone, or given shards back; or may have, since nobody listened for a while. */
  readonly onShards: () => void;
}

/**
 * Listens to what other processes do with the outbox. A notification that is lost while the connection is down costs no more than
 * the relay's poll interval, or the time between two renewals of its leases.
 */
export class OutboxListener {
  private readonly stopping = new AbortController();
  private loop: Promise<void> | undefined;

  /** @param instance our own: what it tells it knows */
  constructor(
    private readonly pool: Pool,
    private readonly instance: string,
    private readonly listeners: OutboxListeners,
    private readonly logger: Logger,
  ) {}

  start(): void {
    this.loop = this.listenForever();
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.loop;
  }

  private async listenForever(): Promise<void> {
    const { signal } = this.stopping;
    for (let failures = 0; !signal.aborted;) {
      try {
        await this.listen(() => {
          failures = 0;
          this.listeners.onShards();
        });
      } catch (error) {
        if (signal.aborted) return;
        failures += 1;
        this.logger.warn({ err: error }, 'relay.listen_failed');
        await waitBackoff(failures, RECONNECT_BACKOFF, signal);
      }
    }
  }

  /** Listens on a connection of the pool until it breaks, which throws, or until the stop. */
  private async listen(onListening: () => void): Promise<void> {
    const client: PoolClient = await this.pool.connect();
    const tell = (notification: Notification): void => this.tell(notification);
    try {
      client.on('notification', tell);
      // A connection that breaks may say so more than once; an error that nobody listens to would end the process.
      client.on('error', (error) => this.logger.debug({ err: error }, 'relay.listen_broken'));
      const broken = once(client, 'end', { signal: this.stopping.signal });
      await client.query(`listen ${SHARDS_CHANNEL}`);
      await Promise.all([broken, client.query(`listen ${OUTBOX_CHANNEL}`).then(onListening)]);
      throw new Error('the connection was closed');
    } finally {
      client.removeListener('notification', tell);
      client.release(true); // closed and not reused: it would go on listening
    }
  }

  private tell({ channel, payload }: Notification): void {
    if (channel === OUTBOX_CHANNEL) this.listeners.onOutbox();
    else if (payload !== this.instance) this.listeners.onShards();
  }
}
