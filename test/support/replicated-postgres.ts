import { execFile } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { EmbeddedPostgres, migrate } from '#database';

const run = promisify(execFile);
const FLAGS = ['fsync=off', 'max_wal_size=64MB', 'min_wal_size=32MB', 'max_connections=200'];

/** A PostgreSQL of the caller's own with a migrated database, and a standby that follows it. */
export class ReplicatedPostgres {
  private constructor(
    private readonly directory: string,
    readonly primary: EmbeddedPostgres,
    readonly standby: EmbeddedPostgres,
  ) {}

  static async start(): Promise<ReplicatedPostgres> {
    const directory = await mkdtemp(join(tmpdir(), 'rollcall-replicated-'));
    await chmod(directory, 0o755); // the servers may run as another user
    const [ofPrimary, ofStandby] = [join(directory, 'primary'), join(directory, 'standby')];
    const primary = await EmbeddedPostgres.start(ofPrimary, FLAGS);
    try {
      await primary.ensureDatabase('rollcall');
      await migrate(primary.url());
      await primary.stop();
      await run('cp', ['-a', ofPrimary, ofStandby]); // with the owner: it may be another user's
      await writeFile(join(ofStandby, 'postgres', 'standby.signal'), '');
      await primary.restart();
      const { hostname, port, username, password } = new URL(primary.url());
      const source = `host=${hostname} port=${port} user=${username} password=${decodeURIComponent(password)}`;
      const standby = await EmbeddedPostgres.start(ofStandby, [...FLAGS, `primary_conninfo=${source}`]);
      return new ReplicatedPostgres(directory, primary, standby);
    } catch (error) {
      await primary.stop('immediate');
      await rm(directory, { recursive: true, force: true });
      throw error;
    }
  }

  async stop(): Promise<void> {
    await this.standby.stop('immediate');
    await this.primary.stop('immediate');
    await rm(this.directory, { recursive: true, force: true });
  }
}
