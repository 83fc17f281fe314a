import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { Registry } from 'prom-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BusBatch, BusRecord } from '#bus';
import { AGENT_STATUSES, TELEMETRY_TOPIC, type AgentStatus } from '#contracts';
import { createTestDatabase, type TestDatabase } from '../../../../test/support/postgres.js';
import { Instance, NO_RELAY, RecordingTopic, report, SILENT } from '../../test/support.js';
import { PresenceMetrics } from '../metrics.js';
import { DeadLetters } from './dead-letters.js';
import { TelemetryConsumer } from './telemetry.consumer.js';
import type { TelemetryService } from './telemetry.service.js';

const HOUR = 3_600_000;

/** A partition as the broker holds it; what is consumed of it may be consumed again. */
class Partition {
  readonly records: BusRecord[] = [];

  constructor(
    private readonly partition = 0,
    private readonly topicId = randomUUID(),
  ) {}

  /** @param clock how far the producer's clock is ahead, in milliseconds */
  append(value: unknown, clock = 0): void {
    this.records.push({
      topic: TELEMETRY_TOPIC,
      partition: this.partition,
      offset: String(this.records.length),
      key: 'k',
      value: Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)),
      headers: {},
      timestamp: Date.now() + clock,
    });
  }

  /** @param signal of the assignment; another one each time unless given */
  batch(from = 0, to = this.records.length, signal = new AbortController().signal): BusBatch {
    const topicId = () => Promise.resolve(this.topicId);
    return { records: this.records.slice(from, to), signal, topicId, taken: () => undefined };
  }
}

describe('telemetry of a topic', () => {
  let database: TestDatabase;
  let instance: Instance;
  let nextAgent = 1;

  beforeAll(async () => {
    database = await createTestDatabase();
    instance = await Instance.connect(database.url);
  });

  afterAll(async () => {
    await instance.close();
    await database.drop();
  });

  function consumerOn(service: TelemetryService, letters = new RecordingTopic()): TelemetryConsumer {
    return new TelemetryConsumer(service, new DeadLetters(letters.producer(), new PresenceMetrics(new Registry()), SILENT));
  }
  /** A process that has heard of nothing yet. */
  const newConsumer = (letters?: RecordingTopic): TelemetryConsumer => consumerOn(instance.telemetry(), letters);

  const changesOf = async (agentId: number): Promise<string[]> =>
    (
      await instance.pool.query<{ agent_status: string }>(
        'select agent_status from presence.status_change where agent_id = $1 order by position',
        [agentId],
      )
    ).rows.map((row) => row.agent_status);

  const overHttp = async (agentId: number, status: AgentStatus): Promise<unknown> =>
    (await instance.telemetry().apply([report(agentId, status)]))[0];

  it.each([
    ['right', [0, 0]],
    ['hours ahead', [3 * HOUR, 3 * HOUR]],
    ['hours behind', [-3 * HOUR, -3 * HOUR]],
    ['hours ahead, and then right', [3 * HOUR, 0]],
    ['right, and then hours behind', [0, -3 * HOUR]],
  ])("is decided once, where the producer's clock is %s", async (_clock, [login, logout]) => {
    const agentId = nextAgent++;
    const partition = new Partition();
    partition.append(report(agentId, 'available'), login);
    partition.append(report(agentId, 'logged_out'), logout);
    await newConsumer().consume(partition.batch());
    expect(await changesOf(agentId)).toEqual(['available', 'logged_out']);
    const again = newConsumer();
    await again.consume(partition.batch());
    await again.consume(partition.batch(0, 1));
    await again.consume(partition.batch(1, 2));
    expect(await changesOf(agentId)).toEqual(['available', 'logged_out']);
    // What comes after what was known is decided, also in the same batch.
    partition.append(report(agentId, 'available'), logout);
    await newConsumer().consume(partition.batch());
    expect(await changesOf(agentId)).toEqual(['available', 'logged_out', 'available']);
  });

  it('is known when it comes again, also what changed nothing, whatever came over HTTP meanwhile', async () => {
    const agentId = nextAgent++;
    const partition = new Partition();
    partition.append(report(agentId, 'available'), 3 * HOUR);
    await newConsumer().consume(partition.batch());
    partition.append(report(agentId, 'available'), 3 * HOUR);
    await newConsumer().consume(partition.batch(1));
    expect(await overHttp(agentId, 'logged_out')).toEqual({ result: 'changed', sequence: 2 });
    await newConsumer().consume(partition.batch());
    await newConsumer().consume(partition.batch(1));
    expect(await changesOf(agentId)).toEqual(['available', 'logged_out']);
  });

  it('is as of its record, over against HTTP, and never stale behind what came before it in its partition', async () => {
    const [agentId, other] = [nextAgent++, nextAgent++];
    const partition = new Partition();
    await overHttp(agentId, 'available');
    partition.append(report(agentId, 'logged_out'), -HOUR); // it had waited for an hour
    await newConsumer().consume(partition.batch());
    expect(await changesOf(agentId)).toEqual(['available']);
    partition.append(report(other, 'available'), HOUR);
    partition.append(report(agentId, 'logged_out'), -HOUR); // the one before it came now, at the latest
    await newConsumer().consume(partition.batch(1, 2));
    await newConsumer().consume(partition.batch(2, 3));
    expect(await changesOf(agentId)).toEqual(['available', 'logged_out']);
    const { rows } = await instance.pool.query<{ ahead: boolean }>(
      `select bool_or(occurred_at > clock_timestamp()) as ahead from presence.status_change where agent_id = any ($1)`,
      [[agentId, other]],
    );
    expect(rows).toEqual([{ ahead: false }]);
    expect(await overHttp(other, 'logged_out')).toMatchObject({ result: 'changed' });
  });

  it('is decided anew where the topic was made anew, and apart for each partition', async () => {
    const agentId = nextAgent++;
    for (const partition of [new Partition(), new Partition(), new Partition(1)]) {
      partition.append(report(agentId, 'available'));
      partition.append(report(agentId, 'logged_out'));
      await newConsumer().consume(partition.batch());
    }
    expect(await changesOf(agentId)).toHaveLength(6);
  });

  it('is decided by one of two that consume it at the same time', async () => {
    const agentId = nextAgent++;
    const partition = new Partition();
    partition.append(report(agentId, 'logged_out'));
    const signals = [new AbortController().signal, new AbortController().signal] as const;
    const consumers = [newConsumer(), newConsumer()] as const;
    // Both know the position by now.
    for (const nth of [0, 1] as const) await consumers[nth].consume(partition.batch(0, 1, signals[nth]));
    for (let round = 0; round < 10; round++) {
      const from = partition.records.length;
      for (const status of ['available', 'logged_out'] as const) partition.append(report(agentId, status));
      const consume = (nth: 0 | 1): Promise<void> => consumers[nth].consume(partition.batch(from, undefined, signals[nth]));
      const settled = await Promise.allSettled([consume(0), consume(1)]);
      for (const one of settled) {
        if (one.status === 'rejected') expect(one.reason).toMatchObject({ name: 'PositionMovedError' });
      }
      // Whoever was too late finds them decided.
      await Promise.all([consume(0), consume(1)]);
      expect(await changesOf(agentId)).toHaveLength(2 * (round + 1));
    }
  });

  it('has decided what it had when it was killed between two statements of a batch, and decides the rest, once', async () => {
    const [first, second] = [nextAgent++, nextAgent++];
    await overHttp(second, 'logged_out');
    const partition = new Partition();
    for (const status of ['available', 'logged_out'] as const) {
      for (const agentId of [first, second]) partition.append(report(agentId, status), 3 * HOUR);
    }
    // Somebody renames the second agent before the first statement; the second one is not sent any more.
    let writes = 0;
    const killed = instance.telemetry(NO_RELAY, async (statement) => {
      if (statement !== 'compare_and_set_at') return;
      if (++writes > 1) throw new Error('the process is gone');
      await instance.pool.query(`select presence.put_agent(12, 'local', $1, 'renamed')`, [second]);
    });
    await expect(consumerOn(killed).consume(partition.batch())).rejects.toThrow('the process is gone');
    expect([await changesOf(first), await changesOf(second)]).toEqual([['available', 'logged_out'], []]);
    // It comes again in other batches than before, with more behind it.
    partition.append(report(first, 'available'), 3 * HOUR);
    const next = newConsumer();
    await next.consume(partition.batch(0, 3));
    expect([await changesOf(first), await changesOf(second)]).toEqual([['available', 'logged_out'], ['available']]);
    await next.consume(partition.batch(3));
    await newConsumer().consume(partition.batch());
    expect([await changesOf(first), await changesOf(second)]).toEqual([
      ['available', 'logged_out', 'available'],
      ['available', 'logged_out'],
    ]);
  });

  it('notes who was lost of a batch that changes each agent once, and decides the rest, once, after a crash', async () => {
    const [first, second] = [nextAgent++, nextAgent++];
    for (const agentId of [first, second]) await overHttp(agentId, 'logged_out');
    const statements: string[] = [];
    const killed = instance.telemetry(NO_RELAY, async (statement) => {
      if (statement.startsWith('compare_and_set')) statements.push(statement);
      if (statements.length > 1) throw new Error('the process is gone');
      if (statements.length === 1) await instance.pool.query(`select presence.put_agent(12, 'local', $1, 'renamed')`, [second]);
    });
    const partition = new Partition();
    for (const agentId of [first, second]) partition.append(report(agentId, 'available'));
    await expect(consumerOn(killed).consume(partition.batch())).rejects.toThrow('the process is gone');
    expect(statements[0]).toBe('compare_and_set_usual_at');
    expect([await changesOf(first), await changesOf(second)]).toEqual([['available'], []]);
    await newConsumer().consume(partition.batch());
    await newConsumer().consume(partition.batch());
    expect([await changesOf(first), await changesOf(second)]).toEqual([['available'], ['available']]);
  });

  it('has its dead letters written, also those of records that were decided before', async () => {
    const agentId = nextAgent++;
    const partition = new Partition();
    partition.append(report(agentId, 'available'));
    partition.append('{"poison":');
    partition.append({ ...report(agentId, 'logged_out'), agent_type: 'remote', agent_number: '+7' });
    partition.append(report(agentId, 'logged_out', { occurred_at: new Date(Date.now() + HOUR).toISOString() }));
    partition.append({ ...report(agentId, 'logged_out'), agent_status: 'away' });
    partition.append(report(agentId, 'logged_out'));
    const letters = new RecordingTopic();
    letters.refusals = 1;
    const reasons = (): unknown[] => letters.records.map(({ headerList }) => headerList?.at(-1)?.value);
    await expect(newConsumer(letters).consume(partition.batch())).rejects.toThrow('the broker is away');
    letters.records.length = 0;
    // Another process, and the agent is of the other type by now: what was wrong is what was wrong then.
    await instance.pool.query(`update presence.agent set agent_type = 'remote' where agent_id = $1`, [agentId]);
    await newConsumer(letters).consume(partition.batch());
    expect(reasons()).toEqual([
      'value: must be JSON',
      'agent_type: this agent is local',
      'occurred_at: must not be more than 5 minutes ahead',
      'agent_status: must be one of: available, logged_out',
    ]);
    expect(await changesOf(agentId)).toEqual(['available', 'logged_out']);
  });

  it('changes nothing when any of it comes again at any time, between whatever comes over HTTP', async () => {
    const step = fc.oneof(
      {
        weight: 4,
        arbitrary: fc.record({
          status: fc.constantFrom(...AGENT_STATUSES),
          agent: fc.nat(1),
          clock: fc.constantFrom(0, HOUR, -HOUR),
        }),
      },
      { weight: 2, arbitrary: fc.record({ http: fc.constantFrom(...AGENT_STATUSES), agent: fc.nat(1) }) },
      { weight: 2, arbitrary: fc.record({ again: fc.nat(30), batch: fc.integer({ min: 1, max: 5 }), isNew: fc.boolean() }) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 40 }), async (steps) => {
        const agents = [nextAgent++, nextAgent++] as const;
        const partition = new Partition();
        let consumer = newConsumer();
        const count = async (): Promise<number> => (await Promise.all(agents.map(changesOf))).flat().length;
        for (const one of steps) {
          if ('status' in one) {
            partition.append(report(agents[one.agent as 0 | 1], one.status), one.clock);
            await consumer.consume(partition.batch(partition.records.length - 1));
          } else if ('http' in one) {
            await overHttp(agents[one.agent as 0 | 1], one.http);
          } else if (partition.records.length > 0) {
            if (one.isNew) consumer = newConsumer();
            const before = await count();
            const signal = new AbortController().signal;
            for (let from = one.again % partition.records.length; from < partition.records.length; from += one.batch) {
              await consumer.consume(partition.batch(from, from + one.batch, signal));
            }
            expect(await count()).toBe(before);
          }
        }
      }),
      { numRuns: 15 },
    );
  });
});
