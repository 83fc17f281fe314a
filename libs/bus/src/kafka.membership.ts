import { createRequire } from 'node:module';
import type { Assigner, PartitionAssigner } from 'kafkajs';

/**
 * kafkajs 2.2.4 joins a group again as soon as it hears of a rebalance, and so gives its partitions away while work on them goes
 * on; it says nothing of which assignment a fetch belonged to; and it leaves a group only when the fetch that is out has ended.
 * These are the seams for it: `ConsumerGroup.joinAndSync` and `fetch` are wrapped, for groups with an assigner of
 * {@link withMembership}.
 */
export interface Membership<Assignment extends object> {
  /** Awaited, with heartbeats, before a group is joined, for the first time or again. Never rejects. */
  readonly beforeJoin: (group: JoinedGroup) => Promise<void>;
  /** Whether it has left, or is about to: it is not joined again. */
  readonly isOver: () => boolean;
  /** What is fetched from now on is fetched under. */
  readonly assignment: () => Assignment | undefined;
}

/** A group as kafkajs keeps it. */
export interface JoinedGroup {
  /** Says to the coordinator that this member goes, so that the others need not wait for what else there is to end. */
  leave(): Promise<void>;
}

interface ConsumerGroup extends JoinedGroup {
  readonly assigners: readonly Assigner[];
  heartbeat(options: { interval: number }): Promise<void>;
  joinAndSync: (this: ConsumerGroup) => Promise<void>;
  fetch: (this: ConsumerGroup, nodeId: string) => Promise<object[]>;
}

/** Between heartbeats while a join waits, in milliseconds. */
const HEARTBEAT_MS = 1000;

const memberships = new WeakMap<Assigner, Membership<object>>();
const fetchedUnder = new WeakMap<object, object>();

/** Makes the groups that have this assigner ask a membership. */
export function withMembership(create: PartitionAssigner, membership: Membership<object>): PartitionAssigner {
  return (config) => {
    const assigner = create(config);
    memberships.set(assigner, membership);
    return assigner;
  };
}

/** Says under which assignment a batch was fetched. */
export function assignmentOf(batch: object): object | undefined {
  return fetchedUnder.get(batch);
}

const requireInternal = createRequire(import.meta.url);
const { prototype } = requireInternal('kafkajs/src/consumer/consumerGroup') as { prototype: ConsumerGroup };
const { joinAndSync, fetch } = prototype;

prototype.joinAndSync = async function () {
  const membership = membershipOf(this);
  if (membership && !membership.isOver()) await withHeartbeats(this, membership.beforeJoin(this));
  // The heartbeat of one that has just left is answered that it is no member: kafkajs would make it one again.
  if (!membership?.isOver()) await joinAndSync.call(this);
};

prototype.fetch = async function (nodeId) {
  const assignment = membershipOf(this)?.assignment();
  const batches = await fetch.call(this, nodeId);
  if (assignment) for (const batch of batches) fetchedUnder.set(batch, assignment);
  return batches;
};

function membershipOf({ assigners }: ConsumerGroup): Membership<object> | undefined {
  return assigners.map((assigner) => memberships.get(assigner)).find((membership) => membership !== undefined);
}

async function withHeartbeats(group: ConsumerGroup, work: Promise<void>): Promise<void> {
  // Each is answered that there is a rebalance, which is known, and counts all the same.
  const timer = setInterval(() => void group.heartbeat({ interval: 0 }).catch(() => undefined), HEARTBEAT_MS);
  try {
    await work;
  } finally {
    clearInterval(timer);
  }
}
