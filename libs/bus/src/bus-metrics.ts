import { Counter, type Registry } from 'prom-client';

/** What an operator sees of the bus: contract §8, `/metrics`. */
export class BusMetrics {
  private readonly losses: Counter<'group'>;
  private readonly unreadable: Counter<'topic'>;

  constructor(registry: Registry) {
    const registers = [registry];
    this.losses = new Counter({
      name: 'rollcall_bus_membership_losses_total',
      help: 'Times that this instance lost its place in a consumer group other than by a rebalance.',
      labelNames: ['group'],
      registers,
    });
    this.unreadable = new Counter({
      name: 'rollcall_bus_unreadable_total',
      help: 'Batches, or rests of batches, that could not be read and were passed over.',
      labelNames: ['topic'],
      registers,
    });
  }

  countLoss(group: string): void {
    this.losses.inc({ group });
  }

  countUnreadable(topic: string): void {
    this.unreadable.inc({ topic });
  }
}
