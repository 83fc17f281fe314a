import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { EmbeddedPostgres, migrate } from '#database';
import { takeBaseBackup, writeIntoCluster } from './base-backup.js';
import { eventually } from './poll.js';

const run = promisify(execFile);
const FLAGS = ['fsync=off', 'max_wal_size=64MB', 'min_wal_size=32MB', 'max_connections=200'];
const DEADLINE_MS = 120_000;

/** A PostgreSQL whose WAL is archived, so that it can be restored to any moment after its base backup: what pgBackRest or WAL-G do. */
export class ArchivedPostgres {
  private restores = 0;

  private constructor(
    private readonly root: string,
    private server: EmbeddedPostgres,
    private directory: string,
  ) {}

  /** Starts a server with a migrated database. */
  static async start(): Promise<ArchivedPostgres> {
    const root = await mkdtemp(join(tmpdir(), 'rollcall-archived-'));
    await chmod(root, 0o755); // the server may run as another user, and writes into the archive
    const archive = join(root, 'archive');
    await mkdir(archive);
    await chmod(archive, 0o777);
    const directory = join(root, 'first');
    const archiving = ['archive_mode=on', `archive_command=cp %p ${archive}/%f`];
    const server = await EmbeddedPostgres.start(directory, [...FLAGS, ...archiving]);
    const archived = new ArchivedPostgres(root, server, directory);
    try {
      await server.ensureDatabase('rollcall');
      await migrate(server.url());
      return archived;
    } catch (error) {
      await archived.stop();
      throw error;
    }
  }

  /** Returns the connection URL of the server that runs now. */
  get url(): string {
    return this.server.url();
  }

  /** Makes a base backup of the running server. */
  async backUp(): Promise<void> {
    await takeBaseBackup(this.server, this.directory, join(this.root, 'backup'));
  }

  /** Gives the present moment a name to restore to. */
  async nameMoment(name: string): Promise<void> {
    await this.query(`select pg_create_restore_point('${name}')`);
  }

  /** Loses the server, once its WAL is archived, and restores the backup to a moment as a server of its own. */
  async restoreTo(name: string): Promise<void> {
    await this.query('select pg_switch_wal()');
    await eventually(
      'the archive',
      async () =>
        (
          await this.query<{ done: boolean }>(
            `select last_archived_wal >= pg_walfile_name(pg_current_wal_lsn() - 1) as done from pg_stat_archiver`,
          )
        )[0]?.done,
      DEADLINE_MS,
    );
    await this.server.stop('immediate');
    this.directory = join(this.root, `restored-${++this.restores}`);
    await run('cp', ['-a', join(this.root, 'backup'), this.directory]);
    await writeIntoCluster(join(this.directory, 'postgres'), 'recovery.signal', '');
    this.server = await EmbeddedPostgres.start(this.directory, [
      ...FLAGS,
      `restore_command=cp ${join(this.root, 'archive')}/%f %p`,
      `recovery_target_name=${name}`,
      'recovery_target_action=promote',
    ]);
    await eventually(
      'the end of the recovery',
      async () => (await this.query<{ done: boolean }>('select not pg_is_in_recovery() as done'))[0]!.done,
      DEADLINE_MS,
    );
  }

  async query<Row extends pg.QueryResultRow>(sql: string): Promise<Row[]> {
    const client = new pg.Client({ connectionString: this.url });
    await client.connect();
    try {
      return (await client.query<Row>(sql)).rows;
    } finally {
      await client.end();
    }
  }

  async stop(): Promise<void> {
    await this.server.stop('immediate');
    await rm(this.root, { recursive: true, force: true });
  }
}
