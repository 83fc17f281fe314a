import type { RunningService } from './service.js';

/** Undoes one step of a start. */
export type Cleanup = () => Promise<void>;

/**
 * Starts a service step by step. Each step pushes its undoing. A stop, or a failure half-way, runs those in reverse, and goes
 * on where one of them fails.
 *
 * @param steps returns what is left to say of the service that runs
 * @throws what the steps throw; nothing is then left running
 */
export async function startWithCleanup(
  steps: (undo: Cleanup[]) => Promise<Omit<RunningService, 'stop'>>,
): Promise<RunningService> {
  const undo: Cleanup[] = [];
  let stopped: Promise<void> | undefined;
  const stop = (): Promise<void> => (stopped ??= undoInReverse(undo));
  try {
    return { ...(await steps(undo)), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** @throws the first error, after all steps were undone */
async function undoInReverse(undo: Cleanup[]): Promise<void> {
  const errors: unknown[] = [];
  for (let step = undo.pop(); step; step = undo.pop()) await step().catch((error: unknown) => errors.push(error));
  if (errors.length > 0) throw errors[0];
}
