import { pino } from 'pino';
import pg from 'pg';
import { readSettings, type RunningService, type Settings } from '#runtime';
import { startSubscriptionApi } from '../../apps/subscription-api/src/start.js';
import { call, type Answer } from './client.js';
import { createTestDatabase, type TestDatabase } from './postgres.js';

/** Applications of every access level, of two clients; each one's secret is its name and `-secret`. */
const APPLICATIONS = [
  { app_id: 'reader', client_id: 12, access: 'call_api' },
  { app_id: 'demo', client_id: 12, access: 'all' },
  { app_id: 'platform', client_id: 12, access: 'platform' },
  { app_id: 'other', client_id: 13, access: 'all' },
] as const;

export type ApplicationName = (typeof APPLICATIONS)[number]['app_id'];

type Options = Omit<Parameters<typeof startSubscriptionApi>[0], 'settings' | 'logger'>;

/** subscription-api on a database of its own, over real HTTP. */
export class ApiFixture {
  private readonly tokens = new Map<string, string>();

  private constructor(
    readonly database: TestDatabase,
    readonly pool: pg.Pool,
    private readonly service: RunningService,
  ) {}

  static async start(settings: Partial<Settings> = {}, options: Options = {}): Promise<ApiFixture> {
    const database = await createTestDatabase();
    const service = await ApiFixture.startService(database.url, settings, options);
    // The pool outlives the database's server connections when the database is dropped.
    const pool = new pg.Pool({ connectionString: database.url, max: 4 }).on('error', () => undefined);
    return new ApiFixture(database, pool, service);
  }

  /** Starts another instance on the same database. */
  static startService(databaseUrl: string, settings: Partial<Settings> = {}, options: Options = {}): Promise<RunningService> {
    const all = { ...readSettings({}), RATE_LIMIT: null, ALLOW_DESTINATIONS: ['127.0.0.0/8'], ...settings };
    const applications = APPLICATIONS.map((application) => ({ ...application, secret: `${application.app_id}-secret` }));
    return startSubscriptionApi({
      ...options,
      settings: {
        ...all,
        BOOTSTRAP_APPS: settings.BOOTSTRAP_APPS ?? applications,
        DATABASE_URL: databaseUrl,
        HOST: '127.0.0.1',
        SUBSCRIPTION_API_PORT: 0,
      },
      logger: pino({ level: process.env['LOG_LEVEL'] ?? 'silent' }),
    });
  }

  get url(): string {
    return this.service.url;
  }

  /** @param path below `/api/ver1.0` */
  async api(
    app: ApplicationName,
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    return call(`${this.url}/api/ver1.0${path}`, {
      method,
      headers: {
        authorization: `Bearer ${await this.token(app)}`,
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
  }

  async token(app: ApplicationName): Promise<string> {
    const known = this.tokens.get(app);
    if (known !== undefined) return known;
    const answer = await call(`${this.url}/oauth/token`, {
      method: 'POST',
      body: new URLSearchParams({ grant_type: 'client_credentials', client_id: app, client_secret: `${app}-secret` }),
    });
    if (answer.status !== 200) throw new Error(`no token: ${answer.text}`);
    const { access_token } = answer.json as { access_token: string };
    this.tokens.set(app, access_token);
    return access_token;
  }

  /** Adds an agent as telemetry would. */
  async addAgent(agentId: number, type: 'local' | 'remote' = 'local', clientId = 12): Promise<void> {
    await this.pool.query('select presence.put_agent($1, $2, $3, $4)', [
      clientId,
      type,
      agentId,
      type === 'local' ? '000*094@ringme.ru' : '+7495',
    ]);
  }

  async stop(): Promise<void> {
    await this.service.stop();
    await this.pool.end();
    await this.database.drop();
  }
}
