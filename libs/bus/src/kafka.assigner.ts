import kafkajs, { type PartitionAssigner } from 'kafkajs';

const { AssignerProtocol } = kafkajs;

/** A topic as it is to be shared out. */
export interface ShardedTopic {
  readonly topic: string;
  readonly partitions: readonly number[];
  readonly shards: number;
}

/**
 * Shares topics out: all partitions of a shard, those whose numbers are equal modulo the number of shards, go to one member, and
 * the members' numbers of shards differ by one at most.
 *
 * @returns partitions by topic, by member
 */
export function shareOut(members: readonly string[], topics: readonly ShardedTopic[]): Map<string, Record<string, number[]>> {
  const sorted = members.toSorted();
  const shares = new Map<string, Record<string, number[]>>();
  let before = 0;
  for (const { topic, partitions, shards } of topics) {
    for (const partition of partitions) {
      const member = sorted[(before + (partition % shards)) % sorted.length]!;
      const share = shares.get(member) ?? {};
      shares.set(member, share);
      (share[topic] ??= []).push(partition);
    }
    before += Math.min(shards, partitions.length);
  }
  return shares;
}

/** @param shardsOf how many shards a topic has; undefined: each partition is one, which is plain round robin */
export function shardAssigner(shardsOf: (topic: string) => number | undefined): PartitionAssigner {
  return ({ cluster }) => ({
    name: 'rollcall-shards',
    version: 0,
    assign({ members, topics }) {
      const sharded = topics.map((topic) => {
        const partitions = cluster.findTopicPartitionMetadata(topic).map(({ partitionId }) => partitionId);
        return { topic, partitions, shards: shardsOf(topic) ?? Math.max(1, partitions.length) };
      });
      const shares = shareOut(
        members.map(({ memberId }) => memberId),
        sharded,
      );
      return Promise.resolve(
        [...shares].map(([memberId, assignment]) => ({
          memberId,
          memberAssignment: AssignerProtocol.MemberAssignment.encode({
            version: this.version,
            assignment,
            userData: Buffer.alloc(0),
          }),
        })),
      );
    },
    protocol({ topics }) {
      const metadata = { version: this.version, topics, userData: Buffer.alloc(0) };
      return { name: this.name, metadata: AssignerProtocol.MemberMetadata.encode(metadata) };
    },
  });
}
