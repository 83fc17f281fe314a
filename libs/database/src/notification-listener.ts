import { once } from 'node:events';
import type { Notification, Pool, PoolClient } from 'pg';
import { waitBackoff, type Logger } from '#runtime';

const RECONNECT_BACKOFF = { firstMs: 500, maxMs: 10_000 };

/** Listens to a channel of the database. What is notified while the connection is down is lost. */
export class NotificationListener {
  private readonly stopping = new AbortController();
  private loop: Promise<void> | undefined;

  /** @param onNotification takes the payload */
  constructor(
    private readonly pool: Pool,
    private readonly channel: 'rollcall_outbox' | 'rollcall_deliveries',
    private readonly onNotification: (payload: string) => void,
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
        await this.listen(() => (failures = 0));
      } catch (error) {
        if (signal.aborted) return;
        failures += 1;
        this.logger.warn({ err: error, channel: this.channel }, 'database.listen_failed');
        await waitBackoff(failures, RECONNECT_BACKOFF, signal);
      }
    }
  }

  /** Listens on a connection of the pool until it breaks, which throws, or until the stop. */
  private async listen(onListening: () => void): Promise<void> {
    const client: PoolClient = await this.pool.connect();
    const onNotification = ({ payload }: Notification): void => this.onNotification(payload ?? '');
    try {
      client.on('notification', onNotification);
      // A connection that breaks may say so more than once; an error that nobody listens to would end the process.
      client.on('error', (error) => this.logger.debug({ err: error }, 'database.listen_broken'));
      const broken = once(client, 'end', { signal: this.stopping.signal });
      await Promise.all([broken, client.query(`listen ${this.channel}`).then(onListening)]);
      throw new Error('the connection was closed');
    } finally {
      client.removeListener('notification', onNotification);
      client.release(true); // closed and not reused: it would go on listening
    }
  }
}
