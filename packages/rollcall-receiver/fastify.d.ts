import type { ReceiverOptions } from './index.js';

/**
 * A Fastify plugin that takes notifications at `path` (default `/`): `app.register(rollcallReceiver, { path, secret, onNotification })`.
 * What `onNotification` throws is answered as Fastify answers errors.
 */
export function rollcallReceiver(
  instance: object,
  options: Omit<ReceiverOptions, 'onError'> & { readonly path?: string },
): Promise<void>;
