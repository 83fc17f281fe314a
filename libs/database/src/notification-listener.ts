import { once } from 'node:events';
import type { Notification, Pool, PoolClient } from 'pg';
import { waitBackoff, type Logger } from '#runtime';

const RECONNECT_BACKOFF = { firstMs: 500, maxMs: 2000 };

/** A channel of the database that is listened to, one of our own. */
export type Channel = `rollcall_${string}`;

/** Who is told of what is notified on a channel. */
export interface ChannelListener {
  /** Takes the payload. */
  readonly onNotification: (payload: string) => void;
  /** Called when listening begins, and begins again: something may have been notified meanwhile. */
  readonly onListening?: () => void;
}

/** Listens to channels of the database on one connection. What is notified while that is down is lost. */
export class NotificationListener {
  private readonly stopping = new AbortController();
  private loop: Promise<void> | undefined;

  constructor(
    private readonly pool: Pool,
    private readonly listeners: Readonly<Record<Channel, ChannelListener>>,
    private readonly logger: Logger,
  ) {}

  start(): void {
    this.loop = this.listenForever();
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.loop;
  }

  private get channels(): Channel[] {
    return Object.keys(this.listeners) as Channel[];
  }

  private async listenForever(): Promise<void> {
    const { signal } = this.stopping;
    for (let failures = 0; !signal.aborted;) {
      try {
        await this.listen(() => {
          failures = 0;
          for (const { onListening } of Object.values(this.listeners)) onListening?.();
        });
      } catch (error) {
        if (signal.aborted) return;
        failures += 1;
        this.logger.warn({ err: error, channels: this.channels }, 'database.listen_failed');
        await waitBackoff(failures, RECONNECT_BACKOFF, signal);
      }
    }
  }

  /** Listens on a connection of the pool until it breaks, which throws, or until the stop. */
  private async listen(onListening: () => void): Promise<void> {
    const client: PoolClient = await this.pool.connect();
    const tell = ({ channel, payload }: Notification): void => this.listeners[channel as Channel]?.onNotification(payload ?? '');
    try {
      client.on('notification', tell);
      // A connection that breaks may say so more than once; an error that nobody listens to would end the process.
      client.on('error', (error) => this.logger.debug({ err: error }, 'database.listen_broken'));
      const broken = once(client, 'end', { signal: this.stopping.signal });
      const listening = client.query(this.channels.map((channel) => `listen ${channel}`).join('; ')).then(onListening);
      await Promise.all([broken, listening]);
      throw new Error('the connection was closed');
    } finally {
      client.removeListener('notification', tell);
      client.release(true); // closed and not reused: it would go on listening
    }
  }
}
