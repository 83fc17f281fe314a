import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

/** A part of the bench that works in a process of its own, so that it takes no other part's turn; spoken to over IPC. */
export class Child {
  private constructor(private readonly child: ChildProcess) {}

  /** @param script below `bench/`, without its ending */
  static async start(script: string, ...args: readonly string[]): Promise<Child> {
    const child = fork(join(import.meta.dirname, '..', `${script}.js`), [...args], {
      execArgv: ['--no-warnings'], // kafkajs arms timers that Node 24 warns of; the bus has a remedy, the bare loops have not
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    const started = new Child(child);
    await started.next('ready');
    return started;
  }

  get pid(): number {
    return this.child.pid!;
  }

  /** Asks for something, and waits for the answer. One question at a time. */
  async ask<Answer>(question: object): Promise<Answer> {
    this.child.send(question);
    return (await this.next('answer')) as Answer;
  }

  async stop(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const exited = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await exited;
  }

  private next(kind: 'ready' | 'answer'): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const onExit = (code: number | null): void => reject(new Error(`a part of the bench ended with ${code}`));
      this.child.once('exit', onExit);
      this.child.once('message', (message: { kind: string; value?: unknown }) => {
        this.child.off('exit', onExit);
        if (message.kind === kind) resolve(message.value);
        else reject(new Error(`${kind} was awaited, not ${JSON.stringify(message)}`));
      });
    });
  }
}

/** Says, in the child, that it is ready, and answers each question. */
export function serve<Question>(answer: (question: Question) => Promise<unknown>): void {
  process.on('message', (question: Question) => {
    answer(question).then(
      (value) => process.send!({ kind: 'answer', value }),
      (error: unknown) => {
        process.stderr.write(`${String(error instanceof Error ? error.stack : error)}\n`);
        process.exit(1);
      },
    );
  });
  process.send!({ kind: 'ready' });
}
