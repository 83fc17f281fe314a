import { once } from 'node:events';
import { createServer } from 'node:net';
import { StartError } from '#runtime';

/**
 * Refuses taken ports before anything is started, so that the answer is one line and comes at once.
 *
 * @param ports the setting's name → the port; 0 is any free one
 * @throws StartError that names the port and the setting that moves it
 */
export async function assertPortsFree(host: string, ports: Readonly<Record<string, number>>): Promise<void> {
  for (const [setting, port] of Object.entries(ports)) {
    const probe = createServer();
    try {
      probe.listen(port, host);
      await once(probe, 'listening');
    } catch (error) {
      throw new StartError(listenMessage(error as NodeJS.ErrnoException, host, port, setting));
    }
    probe.close();
    await once(probe, 'close');
  }
}

function listenMessage(error: NodeJS.ErrnoException, host: string, port: number, setting: string): string {
  if (error.code === 'EADDRINUSE') return `Port ${port} is taken: stop what uses it, or set ${setting} to another port.`;
  return `Cannot listen on ${host}:${port} (${error.message}): check HOST and ${setting}.`;
}
