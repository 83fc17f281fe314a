import { once } from 'node:events';
import type { Pool, PoolClient } from 'pg';
import { waitBackoff, type Logger } from '#runtime';

const RECONNECT_BACKOFF = { firstMs: 500, maxMs: 10_000 };

/**
 * Listens to what other processes put in the outbox: other instances of presence, and the removal of an agent. A
 * notification that is lost while the connection is down costs no more than the relay's poll interval.
 */
export class OutboxListener {
  private readonly stopping = new AbortController();
  private loop: Promise<void> | undefined;

  constructor(
    private readonly pool: Pool,
    private readonly onNotification: () => void,
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
        this.logger.warn({ err: error }, 'relay.listen_failed');
        await waitBackoff(failures, RECONNECT_BACKOFF, signal);
      }
    }
  }

  /** Listens on a connection of the pool until it breaks, which throws, or until the stop. */
  private async listen(onListening: () => void): Promise<void> {
    const client: PoolClient = await this.pool.connect();
    try {
      client.on('notification', this.onNotification);
      // A connection that breaks may say so more than once; an error that nobody listens to would end the process.
      client.on('error', (error) => this.logger.debug({ err: error }, 'relay.listen_broken'));
      const broken = once(client, 'end', { signal: this.stopping.signal });
      await Promise.all([broken, client.query('listen rollcall_outbox').then(onListening)]);
      throw new Error('the connection was closed');
    } finally {
      client.removeListener('notification', this.onNotification);
      client.release(true); // closed and not reused: it would go on listening
    }
  }
}
