import type { QueryRunner } from 'typeorm';

/**
 * Has functions run with the rights of their owner, whatever the caller's search path, and be called by some roles alone, where there
 * are such roles: ADR 6 and 9.
 *
 * @param callers by the function's signature
 */
export async function onlyCallableBy(runner: QueryRunner, callers: Readonly<Record<string, readonly string[]>>): Promise<void> {
  for (const [signature, roles] of Object.entries(callers)) {
    await runner.query(`alter function ${signature} security definer set search_path = pg_catalog, pg_temp`);
    await runner.query(`revoke execute on function ${signature} from public`);
    const present = (await runner.query('select rolname from pg_roles where rolname = any ($1)', [roles])) as {
      rolname: string;
    }[];
    for (const { rolname } of present) await runner.query(`grant execute on function ${signature} to ${rolname}`);
  }
}
