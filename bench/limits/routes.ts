import type { Lab } from '../lab/lab.js';
import type { Metered } from '../lab/meter.js';
import type { Target } from '../lab/target.js';
import type { Routes } from './routes.process.js';

/** Starts the bare Fastify routes beside a target, on its database. */
export async function startRoutes(lab: Lab, { databaseUrl, processes }: Target): Promise<Metered & { readonly origin: string }> {
  const routes = await lab.child('limits/routes.process');
  const origin = await routes.ask<string>({ databaseUrl, poolSize: 10 } satisfies Routes);
  return { origin, processes: { PostgreSQL: processes['PostgreSQL']!, limit: [routes] } };
}
