import { partitionKey, type AgentKey } from '#contracts';

const SEED = 0x9747b28c;
const M = 0x5bd1e995;

/**
 * Hashes an agent's key as Kafka's clients do (murmur2, made positive), so that an agent's partition is its hash modulo the number
 * of partitions, and its shard the hash modulo the number of shards.
 *
 * @returns from 0 to 2^31 - 1
 */
export function agentHash(agent: AgentKey): number {
  return murmur2(Buffer.from(partitionKey(agent))) & 0x7fffffff;
}

function murmur2(bytes: Buffer): number {
  const { length } = bytes;
  let hash = SEED ^ length;
  const whole = length & ~3;
  for (let at = 0; at < whole; at += 4) {
    let word = Math.imul(bytes.readInt32LE(at), M);
    word = Math.imul(word ^ (word >>> 24), M);
    hash = Math.imul(hash, M) ^ word;
  }
  const rest = length & 3;
  if (rest === 3) hash ^= bytes[whole + 2]! << 16;
  if (rest >= 2) hash ^= bytes[whole + 1]! << 8;
  if (rest >= 1) hash = Math.imul(hash ^ bytes[whole]!, M);
  hash = Math.imul(hash ^ (hash >>> 13), M);
  return hash ^ (hash >>> 15);
}
