/** Answers whether one dependency can be used now; throws or rejects with the reason when it cannot. */
export type ReadinessCheck = () => Promise<void> | void;

/** Longest that one check may take before it counts as failed, in milliseconds. */
const CHECK_TIMEOUT_MS = 2000;

/** What `/health/ready` answers: `ok`, or per dependency why not. */
export interface ReadinessReport {
  readonly ready: boolean;
  readonly checks: Readonly<Record<string, string>>;
}

/** The dependencies that a service needs, each with its check; each hop registers its own. */
export class Readiness {
  private readonly checks = new Map<string, ReadinessCheck>();
  private stopping = false;

  /** @param name the dependency as an operator knows it, such as `postgresql` or `kafka` */
  register(name: string, check: ReadinessCheck): void {
    if (this.checks.has(name)) throw new Error(`readiness check ${name} is registered twice`);
    this.checks.set(name, check);
  }

  /** From now on the service says that it is not ready, so that no new work is sent to it. */
  stop(): void {
    this.stopping = true;
  }

  async report(): Promise<ReadinessReport> {
    if (this.stopping) return { ready: false, checks: { service: 'stopping' } };
    const results = await Promise.all([...this.checks].map(async ([name, check]) => [name, await outcomeOf(check)] as const));
    return { ready: results.every(([, outcome]) => outcome === 'ok'), checks: Object.fromEntries(results) };
  }
}

async function outcomeOf(check: ReadinessCheck): Promise<string> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${CHECK_TIMEOUT_MS} ms`)), CHECK_TIMEOUT_MS);
  });
  try {
    await Promise.race([Promise.resolve().then(check), timeout]);
    return 'ok';
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    clearTimeout(timer);
  }
}
