import pg from 'pg';
import { StartError } from '#runtime';

const CONNECT_TIMEOUT_MS = 5000;
/** Of a statement, in milliseconds. Where a session has to wait longer for one of the pooler's, nothing is found out. */
const ANSWER_TIMEOUT_MS = 5000;
const OLDEST_VERSION = 15;
/**
 * Which of two connections asks, in turn. A pooler that lends the session that was returned last lends both the same one; one
 * that lends the oldest lends a connection another one where it asks twice, whatever the number of its sessions.
 */
const TURNS = [0, 1, 0, 0, 1, 1, 0, 1, 1, 0] as const;

/**
 * Looks whether this is a server that Rollcall can work on at all: its version, the encoding of the database, and whether a
 * connection has its session to itself.
 *
 * @param url `postgresql://…`
 * @throws StartError that says what is wrong and what to do
 * @throws the driver's error where no connection can be made
 */
export async function checkServer(url: string, applicationName: string): Promise<void> {
  const [one, other] = [newClient(url, applicationName), newClient(url, applicationName)];
  try {
    await one.connect();
    const { rows } = await one.query<{ version: number; encoding: string }>(
      `select current_setting('server_version_num')::integer as version, current_setting('server_encoding') as encoding`,
    );
    const { version, encoding } = rows[0]!;
    if (version < OLDEST_VERSION * 10_000)
      throw new StartError(
        `DATABASE_URL: PostgreSQL ${OLDEST_VERSION} or later is needed; this is ${Math.floor(version / 10_000)}: use a newer server`,
      );
    if (encoding !== 'UTF8')
      throw new StartError(
        `DATABASE_URL: the database's encoding is ${encoding}, which cannot hold every name: create it with encoding 'UTF8' (template template0)`,
      );
    await other.connect();
    if (await isSessionShared(one, other))
      throw new StartError(
        'DATABASE_URL: leads to a connection pooler in transaction mode, where locks, settings and LISTEN get lost: use its session mode, or connect to PostgreSQL directly',
      );
  } finally {
    await Promise.allSettled([one.end(), other.end()]);
  }
}

/**
 * Whether two connections that are both open were given the same session of the server, or one of them another than before:
 * neither can be where each has its own, and one must be where a session is lent for a transaction.
 */
async function isSessionShared(one: pg.Client, other: pg.Client): Promise<boolean> {
  const seen = [new Set<number>(), new Set<number>()] as const;
  for (const turn of TURNS) {
    const { rows } = await (turn === 0 ? one : other).query<{ pid: number }>('select pg_backend_pid() as pid');
    const { pid } = rows[0]!;
    seen[turn].add(pid);
    if (seen[turn].size > 1 || seen[1 - turn]!.has(pid)) return true;
  }
  return false;
}

/** Nothing but what every server and pooler knows is sent along. */
function newClient(url: string, applicationName: string): pg.Client {
  const client = new pg.Client({
    connectionString: url,
    application_name: applicationName,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: ANSWER_TIMEOUT_MS,
  });
  client.on('error', () => undefined); // a connection that breaks: the statement fails too, and says so
  return client;
}
