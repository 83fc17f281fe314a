import { pino } from 'pino';
import { Registry } from 'prom-client';
import { ServiceHttp, type ServiceHttpOptions } from '#http';
import { Readiness } from '#runtime';

/** Opens a service's HTTP on a free port of this machine, for tests of what is below the services. */
export function openTestHttp(options: Partial<ServiceHttpOptions> = {}): Promise<ServiceHttp> {
  return ServiceHttp.open({
    service: 'test',
    host: '127.0.0.1',
    port: 0,
    setting: 'PRESENCE_PORT',
    logger: pino({ level: 'silent' }),
    readiness: new Readiness(),
    metrics: new Registry(),
    ...options,
  });
}
