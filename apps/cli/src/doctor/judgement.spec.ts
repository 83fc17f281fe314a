import { describe, expect, it } from 'vitest';
import type { InspectedTopic, KafkaInspection, KafkaRights } from '#bus';
import { readSettings } from '#runtime';
import { checkSettings } from './checks.js';
import type { DatabaseFacts } from './database-facts.repository.js';
import { judgeDatabase, type DatabaseUse } from './database.check.js';
import type { Finding } from './finding.js';
import { judgeKafka, type KafkaNeeds, type KafkaUse } from './kafka.check.js';

const NOW = Date.UTC(2026, 10, 29, 23, 30);

function partitionsUntil(day: number): string[] {
  const days = Array.from({ length: day }, (_, offset) => new Date(NOW + offset * 86_400_000));
  return days.flatMap((date) => {
    const name = date.toISOString().slice(0, 10).replaceAll('-', '');
    return [`status_change_${name}`, `attempt_${name}`];
  });
}

const HEALTHY: DatabaseFacts = {
  version: '18.1',
  isEncrypted: true,
  isReadOnly: false,
  settings: {
    synchronous_commit: 'on',
    fsync: 'on',
    full_page_writes: 'on',
    autovacuum: 'on',
    max_connections: '100',
    superuser_reserved_connections: '3',
    synchronous_standby_names: '',
  },
  connections: 31,
  synchronousStandbys: 0,
  now: NOW,
  user: 'rollcall',
  schemas: [
    { name: 'access', isWritable: true },
    { name: 'dispatch', isWritable: true },
  ],
  partitions: partitionsUntil(8),
  changeLogBytes: 0,
  attemptLogBytes: 0,
  bytesOfYesterday: 0,
  unpublished: 3,
  unpublishedForMs: 20,
  oldestTransactionMs: 100,
  transactionAge: 1000,
};
const USE: DatabaseUse = { isLocal: false, poolSize: 10, instances: 6, now: NOW, roundTripMs: 5 };
const settings = (changed: Partial<DatabaseFacts['settings']>) => ({ settings: { ...HEALTHY.settings, ...changed } });

/** Checks that found something, with how bad it is. */
function bad(findings: readonly Finding[]): string[] {
  return findings.filter(({ status }) => status !== 'ok').map(({ check, status }) => `${status} ${check}`);
}

describe('a database', () => {
  it('that is healthy has no warning', () => {
    expect(bad(judgeDatabase(HEALTHY, USE))).toEqual([]);
    expect(bad(judgeDatabase({ ...HEALTHY, isEncrypted: false }, { ...USE, isLocal: true }))).toEqual([]);
  });

  it.each<[string, Partial<DatabaseFacts>, Partial<DatabaseUse>?]>([
    ['warning database.tls', { isEncrypted: false }],
    ['error database.writable', { isReadOnly: true }],
    ['error database.rights', { schemas: [{ name: 'access', isWritable: false }] }],
    ['error database.connections', settings({ max_connections: '60' })],
    ['error database.connections', {}, { instances: 10 }],
    ['error database.connections', {}, { poolSize: 16 }],
    ['warning database.synchronous_commit', settings({ synchronous_commit: 'off' })],
    ['error database.fsync', settings({ fsync: 'off' })],
    ['error database.full_page_writes', settings({ full_page_writes: 'off' })],
    ['error database.autovacuum', settings({ autovacuum: 'off' })],
    ['error database.standbys', settings({ synchronous_standby_names: 'ANY 1 (a, b)' })],
    ['warning database.clock', { now: NOW + 1500 }, { now: NOW }],
    ['error database.partitions', { partitions: [] }],
    ['warning database.partitions', { partitions: partitionsUntil(5) }],
    ['error database.outbox', { unpublishedForMs: 61_000 }],
    ['warning database.transactions', { oldestTransactionMs: 4_000_000 }],
    ['error database.transaction_ids', { transactionAge: 1_500_000_000 }],
  ])('is found to have: %s', (expected, facts, use = {}) => {
    const findings = judgeDatabase({ ...HEALTHY, ...facts }, { ...USE, ...use });
    expect(bad(findings)).toEqual([expected]);
    expect(findings.find(({ status }) => status !== 'ok')!.remedy).toBeTruthy();
  });
});

const TOPIC: InspectedTopic = {
  name: 'agent.status-changed.v1',
  partitions: 12,
  replicas: 3,
  leaderless: 0,
  configs: {
    'min.insync.replicas': '2',
    'cleanup.policy': 'delete',
    'retention.ms': '604800000',
    'compression.type': 'producer',
  },
};
const RIGHTS: KafkaRights = {
  topics: { telemetry: ['read', 'write'], changes: ['read', 'write'] },
  groups: { presence: ['read'], dispatcher: ['read'] },
  hiddenTopics: [],
};
const CLUSTER: KafkaInspection = {
  ...{ brokers: 3, topics: [TOPIC], missingTopics: [], groups: [], creationRefused: undefined },
  rights: RIGHTS,
};
const NEEDS: KafkaNeeds[] = [
  { service: 'presence', topics: { telemetry: 'read', changes: 'write' }, group: 'presence' },
  { service: 'dispatcher', topics: { changes: 'read' }, group: 'dispatcher' },
];
const rights = (changed: Partial<KafkaRights>): Partial<KafkaInspection> => ({ rights: { ...RIGHTS, ...changed } });
const KAFKA_USE: KafkaUse = { needs: NEEDS, partitions: 12, windowMs: 86_400_000, isEncrypted: true, isLocal: false };
const topic = (changed: Partial<InspectedTopic>): Partial<KafkaInspection> => ({ topics: [{ ...TOPIC, ...changed }] });
const configs = (changed: Record<string, string>) => topic({ configs: { ...TOPIC.configs, ...changed } });
const group = (members: number, lag: number): Partial<KafkaInspection> => ({
  groups: [{ id: 'rollcall.dispatcher', state: members > 0 ? 'Stable' : 'Empty', members, lag }],
});

describe('a Kafka cluster', () => {
  it('that is healthy has no warning', () => {
    expect(bad(judgeKafka({ ...CLUSTER, ...group(2, 40) }, KAFKA_USE))).toEqual([]);
    expect(bad(judgeKafka({ ...CLUSTER, missingTopics: ['agent.telemetry.v1'] }, KAFKA_USE))).toEqual([]);
    expect(bad(judgeKafka({ ...CLUSTER, rights: undefined, topics: [{ ...TOPIC, configs: undefined }] }, KAFKA_USE))).toEqual([]);
  });

  it('may give each service a user of its own', () => {
    const ofDispatcher = rights({
      topics: { changes: ['read'] },
      groups: { presence: [], dispatcher: ['read'] },
      hiddenTopics: ['telemetry'],
    });
    const findings = judgeKafka({ ...CLUSTER, ...ofDispatcher }, KAFKA_USE);
    expect(bad(findings)).toEqual([]);
    expect(findings.find(({ check }) => check === 'kafka.rights')!.found).toBe(
      'this user may do all that dispatcher does; presence lacks READ on topic telemetry, WRITE on topic changes, READ on group presence',
    );
  });

  it.each<[string, Partial<KafkaInspection>, Partial<KafkaUse>?]>([
    ['warning kafka.tls', {}, { isEncrypted: false }],
    ['error kafka.rights', rights({ hiddenTopics: ['changes'] })],
    ['error kafka.rights', rights({ groups: { presence: [], dispatcher: [] } })],
    ['error kafka.topics', { missingTopics: ['agent.telemetry.v1'], creationRefused: 'TOPIC_AUTHORIZATION_FAILED' }],
    ['error kafka.agent.status-changed.v1.leader', topic({ leaderless: 1 })],
    ['warning kafka.agent.status-changed.v1.partitions', topic({ partitions: 24 })],
    ['error kafka.agent.status-changed.v1.replication', topic({ replicas: 1, configs: {} })],
    ['error kafka.agent.status-changed.v1.replication', configs({ 'min.insync.replicas': '4' })],
    ['warning kafka.agent.status-changed.v1.replication', configs({ 'min.insync.replicas': '1' })],
    ['warning kafka.agent.status-changed.v1.replication', configs({ 'min.insync.replicas': '3' })],
    ['error kafka.agent.status-changed.v1.cleanup.policy', configs({ 'cleanup.policy': 'compact,delete' })],
    ['warning kafka.agent.status-changed.v1.retention.ms', configs({ 'retention.ms': '3600000' })],
    ['error kafka.agent.status-changed.v1.unclean.leader.election.enable', configs({ 'unclean.leader.election.enable': 'true' })],
    ['error kafka.rollcall.dispatcher', group(0, 1)],
    ['warning kafka.rollcall.dispatcher', group(2, 200_000)],
  ])('is found to have: %s', (expected, cluster, use = {}) => {
    expect(bad(judgeKafka({ ...CLUSTER, ...cluster }, { ...KAFKA_USE, ...use }))).toEqual([expected]);
  });
});

describe('settings', () => {
  const judge = (env: Record<string, string>): string[] => bad(checkSettings(() => readSettings(env)).findings);
  const DATABASE_URL = 'postgresql://localhost/rollcall';

  it('that are right have no warning', () => {
    expect(judge({})).toEqual([]);
    expect(judge({ DATABASE_URL, ENCRYPTION_KEY: 'a key of some length' })).toEqual([]);
  });

  it('that are wrong are told, all of them', () => {
    const { settings, findings } = checkSettings(() => readSettings({ PRESENCE_PORT: 'x', DELIVERY_WINDOW: 'soon' }));
    expect(settings).toBeUndefined();
    expect(findings.map(({ status, found }) => [status, found.split(':')[0]])).toEqual(
      expect.arrayContaining([
        ['error', 'PRESENCE_PORT'],
        ['error', 'DELIVERY_WINDOW'],
      ]),
    );
  });

  it('that are dangerous are warned of', () => {
    expect(judge({ ALLOW_DESTINATIONS: '10.0.0.0/8,0.0.0.0/0' })).toEqual(['warning settings.ALLOW_DESTINATIONS']);
    expect(judge({ DATABASE_URL })).toEqual(['warning settings.ENCRYPTION_KEY']);
  });
});
