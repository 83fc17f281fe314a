import { randomUUID } from 'node:crypto';
import kafkajs, { Kafka, logLevel } from 'kafkajs';
import { describe, expect, inject, it } from 'vitest';
import { eventually } from '../../../test/support/poll.js';
import { withMembership, type JoinedGroup } from './kafka.membership.js';

const { PartitionAssigners } = kafkajs;
const brokers = inject('kafkaBrokers');
const OFTEN_MS = 100;

describe.skipIf(brokers.length === 0)('a member that has left its group', { timeout: 120_000 }, () => {
  it('is not made one again, though it is told with its next heartbeat that it is none', async () => {
    const [topic, groupId] = [`topic-${randomUUID()}`, randomUUID()];
    const kafka = new Kafka({ clientId: `test-${randomUUID()}`, brokers, logLevel: logLevel.NOTHING });
    const admin = kafka.admin();
    let group: (JoinedGroup & { memberId?: string | null }) | undefined;
    let isOver = false;
    const membership = {
      beforeJoin: (joined: JoinedGroup) => {
        group = joined;
        return Promise.resolve();
      },
      isOver: () => isOver,
      assignment: () => undefined,
    };
    const consumer = kafka.consumer({
      groupId,
      partitionAssigners: [withMembership(PartitionAssigners.roundRobin, membership)],
      heartbeatInterval: OFTEN_MS,
      maxWaitTimeInMs: OFTEN_MS,
    });
    let fetches = 0;
    consumer.on('consumer.fetch', () => fetches++);
    const members = async (): Promise<number> => (await admin.describeGroups([groupId])).groups[0]!.members.length;
    try {
      await admin.connect();
      await admin.createTopics({ topics: [{ topic }], waitForLeaders: true });
      await consumer.connect();
      await consumer.subscribe({ topics: [topic] });
      await consumer.run({ eachBatch: () => Promise.resolve() });
      await eventually('a member', async () => (await members()) === 1, 60_000);
      isOver = true;
      const { memberId } = group!;
      await group!.leave();
      group!.memberId = memberId; // as a heartbeat has it that is out meanwhile
      const known = fetches;
      await eventually('heartbeats', () => fetches > known + 10, 60_000);
      expect(await members()).toBe(0);
    } finally {
      await consumer.disconnect();
      await admin.deleteTopics({ topics: [topic] });
      await admin.disconnect();
    }
  });
});
