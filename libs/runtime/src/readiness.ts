import { within } from './concurrency/within.js';

/**
 * Answers whether one dependency can be used now; throws or rejects with the reason when it cannot, and with a
 * {@link DegradedError} when the service does its work without it.
 */
export type ReadinessCheck = () => Promise<void> | void;

/** A dependency cannot be used now, and the service is ready all the same. */
export class DegradedError extends Error {
  override readonly name = 'DegradedError';
}

/** Longest that one check may take before it counts as failed, in milliseconds. */
const CHECK_TIMEOUT_MS = 2000;

/** The answer of `/health/ready`: contract §8. */
export interface ReadinessReport {
  readonly ready: boolean;
  /** By dependency: `ok`, `degraded`, or why it cannot be used. */
  readonly checks: Readonly<Record<string, string>>;
  /** By dependency that is degraded: why. */
  readonly reasons?: Readonly<Record<string, string>>;
}

interface CheckOutcome {
  readonly name: string;
  readonly state: 'ok' | 'degraded' | 'failed';
  readonly reason?: string;
}

/** The dependencies that a service needs, each with its check; each hop registers its own. */
export class Readiness {
  private readonly checks = new Map<string, ReadinessCheck>();
  /** Dependencies that cannot be checked yet, each with the reason. */
  private readonly awaited = new Map<string, string>();
  private stopping = false;

  /** @param name the dependency as an operator knows it, such as `postgresql` or `kafka` */
  register(name: string, check: ReadinessCheck): void {
    if (this.checks.has(name)) throw new Error(`readiness check ${name} is registered twice`);
    this.awaited.delete(name);
    this.checks.set(name, check);
  }

  /** Keeps the service unready until a dependency has arrived or its check is registered. @param reason for people */
  awaiting(name: string, reason: string): void {
    this.awaited.set(name, reason);
  }

  arrived(name: string): void {
    this.awaited.delete(name);
  }

  /** Tells whether {@link stop} was called. */
  get isStopping(): boolean {
    return this.stopping;
  }

  /** Reports the service as not ready from now on, so that no new work is sent to it. */
  stop(): void {
    this.stopping = true;
  }

  async report(): Promise<ReadinessReport> {
    if (this.stopping) return { ready: false, checks: { service: 'stopping' } };
    const outcomes = await this.look();
    const degraded = outcomes.filter(({ state }) => state === 'degraded');
    return {
      ready: this.awaited.size === 0 && outcomes.every(({ state }) => state !== 'failed'),
      checks: Object.fromEntries([
        ...this.awaited,
        ...outcomes.map(({ name, state, reason }) => [name, state === 'failed' ? (reason ?? '') : state] as const),
      ]),
      ...(degraded.length > 0 && { reasons: Object.fromEntries(degraded.map(({ name, reason = '' }) => [name, reason])) }),
    };
  }

  /** Checks which dependencies can be used now, whether the service is ready or not. For metrics. */
  async dependencies(): Promise<ReadonlyMap<string, boolean>> {
    return new Map((await this.look()).map(({ name, state }) => [name, state === 'ok']));
  }

  private look(): Promise<CheckOutcome[]> {
    return Promise.all([...this.checks].map(([name, check]) => outcomeOf(name, check)));
  }
}

async function outcomeOf(name: string, check: ReadinessCheck): Promise<CheckOutcome> {
  try {
    await within(CHECK_TIMEOUT_MS, Promise.resolve().then(check), () => {
      throw new Error(`no answer within ${CHECK_TIMEOUT_MS} ms`);
    });
    return { name, state: 'ok' };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { name, state: error instanceof DegradedError ? 'degraded' : 'failed', reason };
  }
}
