import { SERVICES, type ServiceName } from '../../test/support/cluster.js';
import type { System } from '../lab/lab.js';
import type { Row } from '../row.js';

const REST_MIB = 150;
const LOADED_MIB = 300;

/** Resident size of each service as it started, and the most of it that was seen under the dispatcher row. */
export class MemoryWatch {
  private readonly rest = new Map<ServiceName, number>();
  private readonly most = new Map<ServiceName, number>();

  constructor(private readonly system: System) {}

  async atRest(): Promise<void> {
    for (const service of SERVICES) this.rest.set(service, await this.system.memory(service));
  }

  /** Watches while something runs. */
  async during<T>(work: Promise<T>): Promise<T> {
    const look = async (): Promise<void> => {
      for (const service of SERVICES) {
        this.most.set(service, Math.max(this.most.get(service) ?? 0, await this.system.memory(service)));
      }
    };
    const timer = setInterval(() => void look(), 200);
    try {
      return await work;
    } finally {
      clearInterval(timer);
    }
  }

  rows(): Row[] {
    return SERVICES.flatMap((service) => [
      memoryRow(`memory at rest: ${service}`, this.rest.get(service) ?? NaN, REST_MIB),
      memoryRow(`memory under the dispatcher row: ${service}`, this.most.get(service) ?? NaN, LOADED_MIB),
    ]);
  }
}

function memoryRow(name: string, value: number, limit: number): Row {
  const take = () => Promise.resolve({ value, limit });
  return { name, limit: `${limit} MiB`, unit: 'MiB', goal: 1, lessIsBetter: true, prepare: () => Promise.resolve(take) };
}
