import type { Settings } from './config.js';

/** Where a command reads its settings and writes its answer. */
export interface Surroundings {
  readonly readSettings: () => Pick<Settings, 'DATABASE_URL' | 'DATA_DIR'>;
  readonly write: (text: string) => void;
  readonly writeError: (text: string) => void;
}

/** What is wrong with the arguments, in words for the person who typed them. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** One of an operator's commands. */
export interface CommandLine<Command extends { readonly name: string }> {
  readonly usage: string;
  /** @throws UsageError */
  readonly read: (args: readonly string[]) => Command | { readonly name: 'help' };
  /** @returns the answer @throws what stood in the way, in words for people */
  readonly carryOut: (command: Command, settings: ReturnType<Surroundings['readSettings']>) => Promise<string>;
}

const OK = 0;
const FAILED = 1;
const WRONG_USAGE = 2;

/**
 * Runs an operator's command.
 *
 * @param args without the program's name
 * @returns the exit code: 0, 1 when it failed, 2 when the arguments are wrong
 */
export async function runCommand<Command extends { readonly name: string }>(
  args: readonly string[],
  { usage, read, carryOut }: CommandLine<Command>,
  { readSettings, write, writeError }: Surroundings,
): Promise<number> {
  try {
    const command = read(args);
    write(isHelp(command) ? usage : await carryOut(command, readSettings()));
    return OK;
  } catch (error) {
    if (error instanceof UsageError) {
      writeError(`${error.message}\n\n${usage}`);
      return WRONG_USAGE;
    }
    writeError(`${(error as Error).message}\n`);
    return FAILED;
  }
}

function isHelp(command: { readonly name: string }): command is { readonly name: 'help' } {
  return command.name === 'help';
}
