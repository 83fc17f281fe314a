import { chmod, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as certificates from '../../../test/support/loopback-certificates.js';
import { eventually } from '../../../test/support/poll.js';
import { connectDatabase } from './connect.js';
import { poolOf } from './data-source.js';
import { EmbeddedPostgres } from './embedded-postgres.js';
import { migrate } from './migrate.js';

const SILENT = pino({ level: 'silent' });

describe('a database over TLS, with sslmode=verify-full', { timeout: 60_000 }, () => {
  let server: EmbeddedPostgres;
  let directory: string;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'rollcall-tls-'));
    await chmod(directory, 0o755); // the server may run as another user
    server = await EmbeddedPostgres.start(directory, ['fsync=off']);
    await server.ensureDatabase('rollcall');
    await writeFile(join(directory, 'ca.pem'), certificates.LOOPBACK_CA);
    await writeFile(join(directory, 'other.pem'), certificates.OTHER_CA);
  });
  afterAll(() => server.discard());

  const urlWith = (root?: string): string => {
    const url = new URL(server.url());
    url.searchParams.set('sslmode', 'verify-full');
    if (root !== undefined) url.searchParams.set('sslrootcert', join(directory, root));
    return url.toString();
  };

  /** Has the server, whoever it runs as, show a certificate from now on. */
  async function show(certificate: string): Promise<void> {
    const admin = new pg.Client({ connectionString: server.url() });
    await admin.connect();
    try {
      for (const [file, pem] of [
        ['server.crt', certificate],
        ['server.key', certificates.LOOPBACK_KEY],
      ]) {
        const lines = admin.escapeLiteral(pem!);
        await admin.query(`copy (select regexp_split_to_table(${lines}, E'\\n')) to program 'umask 077; cat > ${file}'`);
      }
      await admin.query('alter system set ssl = on');
      await admin.query('select pg_reload_conf()');
    } finally {
      await admin.end();
    }
  }

  it('works by its CA, and is encrypted', async () => {
    await show(certificates.SERVER);
    await eventually('TLS', () => migrate(urlWith('ca.pem')).then(() => true));
    const options = { url: urlWith('ca.pem'), applicationName: 'test', poolSize: 2 };
    const dataSource = await connectDatabase(options, [], SILENT);
    const { rows } = await poolOf(dataSource).query('select ssl, version from pg_stat_ssl where pid = pg_backend_pid()');
    await dataSource.destroy();
    expect(rows).toEqual([{ ssl: true, version: 'TLSv1.3' }]);
  });

  it.each([
    ['without its CA', certificates.SERVER, undefined, /a CA that is not known: name it with sslrootcert in DATABASE_URL/],
    ['with another CA', certificates.SERVER, 'other.pem', /sslrootcert in DATABASE_URL/],
    [
      'with an expired certificate',
      certificates.EXPIRED_SERVER,
      'ca.pem',
      /certificate has expired: the server’s certificate has expired: renew it/,
    ],
    [
      'with a certificate of another host',
      certificates.SERVER_ELSEWHERE,
      'ca.pem',
      /for another host: check the host in DATABASE_URL/,
    ],
  ])('is refused in words %s', async (_what, certificate, root, words) => {
    await show(certificate);
    await eventually('the words', async () => {
      const refused = connectDatabase({ url: urlWith(root), applicationName: 'test', poolSize: 2 }, [], SILENT, { timeoutMs: 0 });
      await expect(refused.then((dataSource) => dataSource.destroy())).rejects.toThrow(words);
      return true;
    });
  });
});
