import { once } from 'node:events';
import { createServer } from 'node:net';
import { listenError, StartError } from '#runtime';

/**
 * Refuses taken ports before anything is started, so that the answer is one line and comes at once.
 *
 * @param ports the setting's name → the port; 0 is any free one
 * @throws StartError that names the port and the setting that moves it; also where two settings name the same port
 */
export async function assertPortsFree(host: string, ports: Readonly<Record<string, number>>): Promise<void> {
  const settingOf = new Map<number, string>();
  for (const [setting, port] of Object.entries(ports)) {
    const other = port === 0 ? undefined : settingOf.get(port);
    if (other !== undefined) throw new StartError(`${other} and ${setting} are both ${port}: set one of them to another port.`);
    settingOf.set(port, setting);
    const probe = createServer();
    try {
      probe.listen(port, host);
      await once(probe, 'listening');
    } catch (error) {
      throw listenError(error, { host, port, setting });
    }
    probe.close();
    await once(probe, 'close');
  }
}
