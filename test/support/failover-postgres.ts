import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import pg from 'pg';
import { EmbeddedPostgres } from '#database';
import { takeBaseBackup, writeIntoCluster } from './base-backup.js';
import { eventually } from './poll.js';

const STANDBY = 'standby';
/** What a standby that is being made reads from its primary is still there. */
const FLAGS = ['wal_keep_size=1GB'];
const DEADLINE_MS = 120_000;

/**
 * A PostgreSQL at an address that stays, as a virtual address or a proxy gives it, whose primary can be lost and replaced by a
 * standby that has everything that was committed.
 */
export class FailoverPostgres {
  private generation = 0;

  private constructor(
    private readonly root: string,
    private primary: EmbeddedPostgres,
    private readonly address: Forwarder,
  ) {}

  /** @param root an empty directory that the server, which may run as another user, can enter */
  static async start(root: string): Promise<FailoverPostgres> {
    const primary = await EmbeddedPostgres.start(join(root, '0'), FLAGS);
    await primary.ensureDatabase('rollcall');
    return new FailoverPostgres(root, primary, await Forwarder.start(portOf(primary)));
  }

  /** Returns the connection URL, the same whichever server is the primary. */
  get url(): string {
    const url = new URL(this.primary.url());
    url.port = String(this.address.port);
    return url.href;
  }

  /** Stops the primary as a power cut would. */
  async crash(): Promise<void> {
    await this.primary.stop('immediate');
  }

  /** Starts the primary again on its data. */
  async restart(): Promise<void> {
    await this.primary.restart();
  }

  /** Makes a standby that commits wait for, loses the primary without warning, and promotes the standby. */
  async failOver(): Promise<void> {
    const lost = this.directory;
    const standby = await this.makeStandby();
    await this.untilSynchronous();
    await this.primary.stop('immediate');
    this.primary = standby;
    await query(standby, 'select pg_promote(true, 60)');
    await query(standby, 'alter system reset synchronous_standby_names');
    await query(standby, 'select pg_reload_conf()');
    this.address.target = portOf(standby);
    await rm(lost, { recursive: true, force: true });
  }

  async stop(): Promise<void> {
    await this.address.stop();
    await this.primary.stop('immediate');
  }

  private get directory(): string {
    return join(this.root, String(this.generation));
  }

  /** A copy of the running primary, as a base backup is made, which follows it. */
  private async makeStandby(): Promise<EmbeddedPostgres> {
    const from = this.directory;
    this.generation += 1;
    const to = this.directory;
    const cluster = await takeBaseBackup(this.primary, from, to);
    await writeIntoCluster(cluster, 'standby.signal', '');
    const { hostname, port, username, password } = new URL(this.primary.url());
    const source = `host=${hostname} port=${port} user=${username} password=${password} application_name=${STANDBY}`;
    return EmbeddedPostgres.start(to, [...FLAGS, `primary_conninfo=${source}`]);
  }

  /** From then on nothing is committed that the standby lacks. */
  private async untilSynchronous(): Promise<void> {
    await query(this.primary, `alter system set synchronous_standby_names = '${STANDBY}'`);
    await query(this.primary, 'select pg_reload_conf()');
    await eventually(
      'the standby to be synchronous',
      () => query(this.primary, `select from pg_stat_replication where application_name = '${STANDBY}' and sync_state = 'sync'`),
      DEADLINE_MS,
    );
    const reached = await query(this.primary, 'select pg_current_wal_flush_lsn()::text as lsn');
    await eventually(
      'the standby to have what was committed before',
      () => query(this.primary, `select from pg_stat_replication where flush_lsn >= '${String(reached![0]!['lsn'])}'`),
      DEADLINE_MS,
    );
  }
}

/** Hands connections on to a port of this machine, which may become another. */
class Forwarder {
  private readonly sockets = new Set<Socket>();

  private constructor(
    private readonly server: Server,
    public target: number,
  ) {
    server.on('connection', (client) => {
      const backend = connect(this.target, '127.0.0.1');
      this.join(client, backend);
      this.join(backend, client);
    });
  }

  static async start(target: number): Promise<Forwarder> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new Forwarder(server, target);
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await once(this.server.close(), 'close');
  }

  private join(from: Socket, to: Socket): void {
    this.sockets.add(from);
    from.setNoDelay(true);
    from.pipe(to);
    from.on('error', () => to.destroy());
    from.on('close', () => {
      this.sockets.delete(from);
      to.destroy();
    });
  }
}

/** @returns the rows, undefined when there are none */
async function query(server: EmbeddedPostgres, text: string): Promise<Record<string, unknown>[] | undefined> {
  const client = new pg.Client({ connectionString: server.url('postgres') });
  await client.connect();
  try {
    const { rows } = await client.query<Record<string, unknown>>(text);
    return rows.length > 0 ? rows : undefined;
  } finally {
    await client.end();
  }
}

function portOf(server: EmbeddedPostgres): number {
  return Number(new URL(server.url()).port);
}
