import { readdirSync, readFileSync } from 'node:fs';

/** A process whose time counts. */
export interface ProcessRef {
  readonly pid: number;
  /** Counts what its children use and used as well: PostgreSQL works in processes that come and go. */
  readonly withChildren?: boolean;
}

/** Of a process since its start, in ticks. */
interface Ticks {
  readonly pid: number;
  readonly parent: number;
  /** Of all its threads, those that ended too; user and system. */
  readonly own: number;
  /** Of its children that ended, and theirs. */
  readonly ended: number;
}

/** Linux tells times in hundredths of a second to programs, whatever the kernel's own clock. */
const TICKS_PER_SECOND = 100;

/** @returns whether this system tells the processor time of processes; only Linux does, in /proc */
export function tellsProcessorTime(): boolean {
  try {
    return readTicks(process.pid) !== undefined;
  } catch {
    return false;
  }
}

/**
 * Tells the processor time of a process since its start, user and system.
 *
 * @returns seconds, exact to a hundredth; 0 when it has ended
 */
export function processorSeconds({ pid, withChildren = false }: ProcessRef): number {
  if (!withChildren) return (readTicks(pid)?.own ?? 0) / TICKS_PER_SECOND;
  for (;;) {
    const before = readTicks(pid);
    const children = descendants(pid).reduce((sum, { own, ended }) => sum + own + ended, 0);
    const after = readTicks(pid);
    // A child that ended in between would count twice or not at all.
    if (before?.ended === after?.ended) return after === undefined ? 0 : (after.own + after.ended + children) / TICKS_PER_SECOND;
  }
}

/** @returns undefined when there is no such process */
export function parentOf(pid: number): number | undefined {
  return readTicks(pid)?.parent;
}

function descendants(root: number): Ticks[] {
  const all = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => readTicks(Number(name)) ?? []);
  const below = (parent: number): Ticks[] =>
    all.filter((process) => process.parent === parent).flatMap((process) => [process, ...below(process.pid)]);
  return below(root);
}

function readTicks(pid: number): Ticks | undefined {
  try {
    return parseTicks(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch (error) {
    // ESRCH: it ended between being opened and being read.
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
}

/** @param stat a line of /proc/<pid>/stat; the program's name in it may hold spaces and parentheses */
export function parseTicks(stat: string): Ticks {
  const pid = Number.parseInt(stat, 10);
  const [, parent, ...rest] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [user, system, endedUser, endedSystem] = rest.slice(9, 13).map(Number) as [number, number, number, number];
  return { pid, parent: Number(parent), own: user + system, ended: endedUser + endedSystem };
}
