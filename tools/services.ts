import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';

/**
 * What a service is started with, beside its settings, so that its memory stays within its bounds (ADR 14). The image has the
 * same in deploy/Dockerfile; whoever runs a service without the image sets it there.
 */
export const SERVICE_ENVIRONMENT = {
  /**
   * MiB. V8 sizes its heap for the machine: on a large one it lets garbage lie to several times of what is alive. A dispatcher
   * at full load has some 60 MiB alive.
   */
  NODE_OPTIONS: '--max-semi-space-size=32 --max-old-space-size=256',
  /** Bytes. glibc keeps what is freed at the top of its heap up to this; unset, it is raised to the largest block ever freed. */
  MALLOC_TRIM_THRESHOLD_: '131072',
} as const;

/** Finds ports on loopback that nobody listens on now, all different. */
export async function freePorts(count: number): Promise<number[]> {
  const probes = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(probes.map((probe) => once(probe, 'listening')));
  const ports = probes.map((probe) => (probe.address() as AddressInfo).port);
  await Promise.all(probes.map((probe) => once(probe.close(), 'close')));
  return ports;
}

/** Returns the arguments of node that migrate a database with what was built in a tree; older ones have a program of its own for it. */
export function migrateCommandOf(root: string): string[] {
  const cli = join(root, 'dist', 'apps', 'cli', 'main.js');
  return existsSync(cli) ? [cli, 'migrate'] : [join(root, 'dist', 'apps', 'migrate', 'main.js')];
}
