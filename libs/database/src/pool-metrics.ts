import type { Pool } from 'pg';
import { Gauge, type Registry } from 'prom-client';

/** Tells how the connections of a service's pool are used, and how many statements wait for one, whenever that is asked for. */
export function measurePool(pool: Pool, registry: Registry): void {
  new Gauge({
    name: 'rollcall_db_pool_connections',
    help: 'Connections to the primary database by state; waiting: statements that there is none for.',
    labelNames: ['state'],
    registers: [registry],
    collect() {
      this.set({ state: 'idle' }, pool.idleCount);
      this.set({ state: 'used' }, pool.totalCount - pool.idleCount);
      this.set({ state: 'waiting' }, pool.waitingCount);
    },
  });
  const most = new Gauge({
    name: 'rollcall_db_pool_size',
    help: 'Most connections to the primary database that this service opens.',
    registers: [registry],
  });
  most.set(pool.options.max);
}
