import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { eventually } from './poll.js';

const BACKLOG = 1;
const LISTENER = `
  const server = require('node:net').createServer((socket) => socket.on('error', () => {}));
  server.listen({ host: process.argv[1], port: Number(process.argv[2]), backlog: ${BACKLOG} }, () => console.log(server.address().port));
`;

/**
 * An address and port that do not answer: a process that listens and is stopped, whose queue of connections is full. The
 * system drops what comes beyond, as a dead host does, and whoever connects asks again after 1 s, 3 s and so on.
 */
export class BlackHole {
  private constructor(
    private readonly process: ChildProcess,
    private readonly fillers: readonly Socket[],
    readonly port: number,
  ) {}

  /** @param port 0 for any */
  static async open(address: string, port: number): Promise<BlackHole> {
    const child = spawn(process.execPath, ['-e', LISTENER, address, String(port)], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    child.kill('SIGSTOP');
    const actual = Number(line.toString());
    let up = 0;
    const fillers = Array.from({ length: BACKLOG + 3 }, () => connect(actual, address, () => up++).on('error', () => undefined));
    await eventually('the queue to be full', () => up === BACKLOG + 1);
    return new BlackHole(child, fillers, actual);
  }

  /** Makes it a host like any other from now on. */
  accept(): void {
    this.process.kill('SIGCONT');
  }

  async stop(): Promise<void> {
    for (const socket of this.fillers) socket.destroy();
    this.process.kill('SIGKILL');
    await once(this.process, 'exit');
  }
}
