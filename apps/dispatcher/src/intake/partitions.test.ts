import { randomBytes } from 'node:crypto';
import { Kafka, logLevel } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { createKafkaBus, type Bus } from '#bus';
import { encodeStatusChange, STATUS_CHANGED_TOPIC, type StatusChange } from '#contracts';
import { DispatcherWorld } from '../../../../test/support/dispatcher-world.js';
import { LocalKafka } from '../../../../test/support/kafka.js';
import { eventually } from '../../../../test/support/poll.js';
import { RecordingReceiver } from '../../../../test/support/receiver.js';

const AGENTS = 200;
const TRACEPARENT = '00-00000000000000000000000000000001-0000000000000001-01';

// The names of topics are fixed, so these need a broker of their own.
describe.skipIf(inject('kafkaBrokers').length === 0)('intake from a Kafka topic that changes', () => {
  let kafka: LocalKafka;
  let world: DispatcherWorld;
  let receiver: RecordingReceiver;

  beforeAll(async () => {
    kafka = await LocalKafka.start();
    world = await DispatcherWorld.create();
    receiver = await RecordingReceiver.start();
    await world.subscribe(null, `${receiver.url}/x`, 'agent-login');
    await world.subscribe(null, `${receiver.url}/x`, 'agent-logout');
  });

  afterAll(async () => {
    await world.remove();
    await receiver.stop();
    await kafka.stop();
  });

  const bus = (): Bus =>
    createKafkaBus({
      brokers: kafka.brokers,
      clientId: `test-${randomBytes(4).toString('hex')}`,
      partitions: 12,
      logger: world.logger,
    });

  const start = () => world.start({ DELIVERY_TIMEOUT: 20_000 }, { bus: bus(), sweep: { everyMs: 500, settleMs: 2000 } });

  /** Has every agent change once, and writes the changes to the topic. */
  async function changeAll(): Promise<StatusChange[]> {
    const changes: StatusChange[] = [];
    for (let agent = 1; agent <= AGENTS; agent++) changes.push(await world.log(agent));
    const writing = bus();
    await writing.ensureTopics([STATUS_CHANGED_TOPIC]);
    await writing.producer().send(
      STATUS_CHANGED_TOPIC,
      changes.map((change) => encodeStatusChange(change, TRACEPARENT)),
    );
    await writing.close();
    return changes;
  }

  async function administrate(work: (admin: ReturnType<Kafka['admin']>) => Promise<unknown>): Promise<void> {
    const admin = new Kafka({ clientId: 'test-admin', brokers: kafka.brokers, logLevel: logLevel.NOTHING }).admin();
    await admin.connect();
    await work(admin);
    await admin.disconnect();
  }

  const expectInOrder = async (perAgent: number): Promise<void> => {
    await eventually('all notifications', () => receiver.requests.length >= AGENTS * perAgent, 60_000);
    await world.drained();
    const byAgent = new Map<string, number[]>();
    for (const { body, headers } of receiver.requests) {
      const agent = new URLSearchParams(body).get('agent_id')!;
      byAgent.set(agent, [...(byAgent.get(agent) ?? []), Number(headers['webhook-sequence'])]);
    }
    const expected = Array.from({ length: perAgent }, (_, index) => index + 1);
    expect([...byAgent.values()]).toEqual(Array(AGENTS).fill(expected));
  };

  it('loses nothing and keeps the order when partitions are added while it is stopped', async () => {
    await changeAll();
    await administrate((admin) => admin.createPartitions({ topicPartitions: [{ topic: STATUS_CHANGED_TOPIC, count: 24 }] }));
    await changeAll();
    const dispatcher = await start();
    await expectInOrder(2);
    await world.stop(dispatcher);
  }, 120_000);

  it('loses nothing when the topic is deleted with what nobody had read, and when offsets are moved past it', async () => {
    await changeAll();
    await administrate(async (admin) => {
      await admin.deleteTopics({ topics: [STATUS_CHANGED_TOPIC] });
      await eventually('a topic that is gone', async () => !(await admin.listTopics()).includes(STATUS_CHANGED_TOPIC));
    });
    await changeAll();
    await administrate((admin) =>
      admin.setOffsets({
        groupId: 'rollcall.dispatcher',
        topic: STATUS_CHANGED_TOPIC,
        partitions: Array.from({ length: 12 }, (_, partition) => ({ partition, offset: '100000' })),
      }),
    );
    const dispatcher = await start();
    await expectInOrder(4);
    await world.stop(dispatcher);
  }, 120_000);
});
