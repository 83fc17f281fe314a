import { explainKafkaError, inspectKafka, kafkaOptionsOf } from '#bus';
import {
  DISPATCHER_GROUP,
  PRESENCE_GROUP,
  STATUS_CHANGED_TOPIC,
  TELEMETRY_DEAD_LETTER_TOPIC,
  TELEMETRY_TOPIC,
  TOPICS,
} from '#contracts';
import {
  assertKeyFits,
  createDataSource,
  createPool,
  createSealer,
  databaseUrlOf,
  explainDatabaseError,
  listMigrations,
  poolOf,
  whyReplicaIsUnusable,
  type ListedMigration,
  type Pool,
} from '#database';
import { createLogger, howToRun, isLoopback, StartError, type Settings } from '#runtime';
import { readDatabaseFacts } from './database-facts.repository.js';
import { judgeDatabase } from './database.check.js';
import { error, ok, warning, type Finding } from './finding.js';
import { judgeKafka, type KafkaNeeds } from './kafka.check.js';
import { checkEgress, checkIssuer, checkPublicUrl } from './reach.check.js';

export interface DoctorOptions {
  /** Instances that run, of all three services. */
  readonly instances: number;
  /** host:port of a public address. */
  readonly probe: string;
}

/** Finds settings that are wrong, one line each, or what else can be said of them. */
export function checkSettings(read: () => Settings): { readonly settings?: Settings; readonly findings: Finding[] } {
  try {
    const settings = read();
    return { settings, findings: [ok('settings', 'all can be read'), ...judgeSettings(settings)] };
  } catch (cause) {
    if (!(cause instanceof StartError)) throw cause;
    const remedy = 'set it as .env.example describes it';
    return { findings: cause.message.split('\n').map((line) => error('settings', line, remedy)) };
  }
}

/** What settings allow and an operator may not want. Pure. */
function judgeSettings(settings: Settings): Finding[] {
  const findings: Finding[] = [];
  if (settings.ALLOW_DESTINATIONS?.some((network) => network.endsWith('/0')))
    findings.push(
      warning(
        'settings.ALLOW_DESTINATIONS',
        'allows every address: clients can have requests sent to your own network',
        'name the networks of your own receivers alone',
      ),
    );
  if (settings.ENCRYPTION_KEY === undefined && settings.DATABASE_URL !== undefined)
    findings.push(
      warning(
        'settings.ENCRYPTION_KEY',
        'is not set: secrets are sealed with a key that everybody knows',
        'set the same ENCRYPTION_KEY for every service: openssl rand -hex 32',
      ),
    );
  return findings;
}

/** Looks at the database, what is in it, and the key that opens it. */
async function checkDatabase(settings: Settings, { instances }: DoctorOptions): Promise<Finding[]> {
  let url: string;
  try {
    url = await databaseUrlOf(settings, 'the database to look at');
  } catch (cause) {
    return [error('database.reach', (cause as Error).message, 'set DATABASE_URL, or start the all-in-one')];
  }
  const dataSource = createDataSource({ url, applicationName: 'rollcall-doctor', poolSize: 1 });
  try {
    const migrations = await listMigrations(url); // refuses poolers in transaction mode, old servers and other encodings, in words
    await dataSource.initialize();
    const startedAt = performance.now();
    const of = (wanted: ListedMigration['state']): string[] =>
      migrations.filter(({ state }) => state === wanted).map(({ name }) => name);
    const [missing, tooNew, ahead] = [of('missing'), of('too_new'), of('ahead')];
    if (tooNew.length > 0)
      return [
        error(
          'database.migrations',
          `a newer version has added ${tooNew.join(', ')}, which this one cannot run with`,
          'use that version',
        ),
      ];
    if (missing.length > 0)
      return [
        error(
          'database.migrations',
          `${missing.length} are missing, the first is ${missing[0]}`,
          `run \`${howToRun('migrate')}\``,
        ),
      ];
    const facts = await readDatabaseFacts(poolOf(dataSource));
    const roundTripMs = performance.now() - startedAt;
    const host = new URL(url).hostname.replace(/^\[|\]$/g, '');
    const isLocal = host === '' || host === 'localhost' || isLoopback(host);
    const use = { isLocal, poolSize: settings.DATABASE_POOL, instances, now: Date.now(), roundTripMs };
    return [
      ok('database.migrations', ahead.length > 0 ? `all are there, and ${ahead.length} of a later version` : 'all are there'),
      ...judgeDatabase(facts, use),
      await checkKey(settings, (sql, values) => dataSource.query(sql, values)),
    ];
  } catch (cause) {
    const words = cause instanceof StartError ? cause.message : explainDatabaseError(cause);
    return [error('database.reach', words, 'the services say the same when they start; mend it first')];
  } finally {
    if (dataSource.isInitialized) await dataSource.destroy();
  }
}

/** Looks whether lists can be read from DATABASE_READ_URL. */
async function checkReplica({ DATABASE_URL, DATABASE_READ_URL }: Settings): Promise<Finding> {
  const check = 'database.replica';
  if (DATABASE_URL === undefined || DATABASE_READ_URL === undefined)
    return ok(check, 'the database answers lists itself: DATABASE_READ_URL is not set');
  const remedy = 'name a streaming replica of the database of DATABASE_URL that keeps up; until then lists are read there';
  const pools = [DATABASE_URL, DATABASE_READ_URL].map((url) =>
    createPool({ url, applicationName: 'rollcall-doctor', poolSize: 1 }),
  ) as [Pool, Pool];
  try {
    const refusal = await whyReplicaIsUnusable(...pools);
    return refusal === undefined ? ok(check, 'has what the database has') : warning(check, refusal, remedy);
  } catch (cause) {
    return warning(check, explainDatabaseError(cause), remedy);
  } finally {
    await Promise.allSettled(pools.map((pool) => pool.end()));
  }
}

async function checkKey(settings: Settings, query: Parameters<typeof assertKeyFits>[0]): Promise<Finding> {
  const check = 'database.encryption_key';
  if (settings.DATABASE_URL === undefined && settings.ENCRYPTION_KEY === undefined)
    return ok(check, 'the all-in-one keeps its own');
  try {
    const fits = await assertKeyFits(query, createSealer(settings.ENCRYPTION_KEY, settings.ENCRYPTION_KEY_PREVIOUS));
    return ok(check, fits ? 'opens what is stored' : 'nothing is sealed yet');
  } catch (cause) {
    if (cause instanceof StartError) return error(check, cause.message, 'find the key that the services were given before');
    return warning(check, explainDatabaseError(cause), 'run it with the role of subscription-api or of the owner');
  }
}

/** Looks at the broker and what is on it, without writing anything. */
async function checkKafka(settings: Settings): Promise<Finding[]> {
  const brokers = settings.KAFKA_BROKERS;
  if (brokers === undefined) return [ok('kafka.reach', 'the in-process bus is used: KAFKA_BROKERS is not set')];
  const options = kafkaOptionsOf({ ...settings, KAFKA_BROKERS: brokers }, 'doctor', createLogger('doctor', 'silent'));
  const groups = [
    { id: PRESENCE_GROUP, topic: TELEMETRY_TOPIC },
    { id: DISPATCHER_GROUP, topic: STATUS_CHANGED_TOPIC },
  ];
  try {
    const seen = await inspectKafka(options, TOPICS, groups);
    return judgeKafka(seen, {
      needs: kafkaNeedsOf(settings.KAFKA_PREFIX),
      partitions: settings.KAFKA_TOPIC_PARTITIONS,
      windowMs: settings.DELIVERY_WINDOW,
      isEncrypted: options.security?.ssl !== undefined && options.security.ssl !== false,
      isLocal: brokers.every((broker) => isLoopback(broker.slice(0, broker.lastIndexOf(':')))),
    });
  } catch (cause) {
    return [
      error('kafka.reach', explainKafkaError(cause), 'check KAFKA_BROKERS, and that the brokers advertise names that lead here'),
    ];
  }
}

function kafkaNeedsOf(prefix: string): KafkaNeeds[] {
  return [
    {
      service: 'presence',
      topics: {
        [`${prefix}${TELEMETRY_TOPIC}`]: 'read',
        [`${prefix}${TELEMETRY_DEAD_LETTER_TOPIC}`]: 'write',
        [`${prefix}${STATUS_CHANGED_TOPIC}`]: 'write',
      },
      group: `${prefix}${PRESENCE_GROUP}`,
    },
    {
      service: 'dispatcher',
      topics: { [`${prefix}${STATUS_CHANGED_TOPIC}`]: 'read' },
      group: `${prefix}${DISPATCHER_GROUP}`,
    },
  ];
}

/** Looks at all of it; what depends on each other in turn, the rest at once. */
export async function runChecks(settings: Settings, options: DoctorOptions): Promise<Finding[]> {
  const findings = await Promise.all([
    checkDatabase(settings, options),
    checkReplica(settings),
    checkKafka(settings),
    checkIssuer(settings),
    checkPublicUrl(settings),
    checkEgress(options.probe),
  ]);
  return findings.flat();
}
