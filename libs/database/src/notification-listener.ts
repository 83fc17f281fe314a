import { once } from 'node:events';
import type { Notification, Pool, PoolClient } from 'pg';
import { Loop, type Logger } from '#runtime';

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
  private readonly loop: Loop;

  constructor(
    private readonly pool: Pool,
    private readonly listeners: Readonly<Record<Channel, ChannelListener>>,
    private readonly logger: Logger,
  ) {
    this.loop = new Loop({
      step: (succeeded) => this.listen(succeeded),
      onError: (error) => {
        if (!this.loop.signal.aborted) logger.warn({ err: error, channels: this.channels }, 'database.listen_failed');
      },
      backoff: RECONNECT_BACKOFF,
    });
  }

  start(): void {
    this.loop.start();
  }

  stop(): Promise<void> {
    return this.loop.stop();
  }

  private get channels(): Channel[] {
    return Object.keys(this.listeners) as Channel[];
  }

  /** Listens on a connection of the pool until it breaks, which throws, or until the stop. */
  private async listen(succeeded: () => void): Promise<never> {
    const client: PoolClient = await this.pool.connect();
    const tell = ({ channel, payload }: Notification): void => this.listeners[channel as Channel]?.onNotification(payload ?? '');
    try {
      client.on('notification', tell);
      // A connection that breaks may say so more than once; an error that nobody listens to would end the process.
      client.on('error', (error) => this.logger.debug({ err: error }, 'database.listen_broken'));
      const broken = once(client, 'end', { signal: this.loop.signal });
      const listening = client.query(this.channels.map((channel) => `listen ${channel}`).join('; ')).then(() => {
        succeeded();
        for (const { onListening } of Object.values(this.listeners)) onListening?.();
      });
      await Promise.all([broken, listening]);
      throw new Error('the connection was closed');
    } finally {
      client.removeListener('notification', tell);
      client.release(true); // closed and not reused: it would go on listening
    }
  }
}
