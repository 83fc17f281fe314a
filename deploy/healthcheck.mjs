// The image's HEALTHCHECK: asks the service that the container runs whether it is ready. The role, and with it the port, is seen from
// what process 1 was started with; a container that runs a command, such as migrate, is healthy as long as it runs.
import { readFileSync } from 'node:fs';

const PORTS = {
  'subscription-api': 'SUBSCRIPTION_API_PORT:3000',
  presence: 'PRESENCE_PORT:3001',
  dispatcher: 'DISPATCHER_PORT:3002',
};

const [, role] = /dist\/apps\/([a-z-]+)\/main\.js/.exec(readFileSync('/proc/1/cmdline', 'utf8')) ?? [];
const setting = PORTS[role];
if (setting !== undefined) {
  const [name, byDefault] = setting.split(':');
  const port = process.env.OPERATIONS_PORT || process.env[name] || byDefault;
  const { ok, status } = await fetch(`http://127.0.0.1:${port}/health/ready`, { signal: AbortSignal.timeout(2500) });
  if (!ok) throw new Error(`${role} answers ${status}`);
}
