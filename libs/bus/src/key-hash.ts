const SEED = 0x9747b28c;
const M = 0x5bd1e995;
const R = 24;

/**
 * Hashes a record's key as every Kafka client does by default: murmur2 of its bytes, without the sign.
 *
 * @param key a text counts as its UTF-8
 * @returns 0 to 2³¹ − 1
 */
export function keyHash(key: string | Buffer): number {
  const bytes = typeof key === 'string' ? Buffer.from(key) : key;
  const { length } = bytes;
  const end = length & ~3;
  let hash = SEED ^ length;
  for (let at = 0; at < end; at += 4) {
    let word = Math.imul(bytes.readInt32LE(at), M);
    word = Math.imul(word ^ (word >>> R), M);
    hash = Math.imul(hash, M) ^ word;
  }
  if (length > end) {
    for (let at = end; at < length; at++) hash ^= bytes[at]! << (8 * (at - end));
    hash = Math.imul(hash, M);
  }
  hash = Math.imul(hash ^ (hash >>> 13), M);
  return (hash ^ (hash >>> 15)) & 0x7fffffff;
}

/** Says which of a topic's partitions the records of a key are in. */
export function partitionOf(key: string | Buffer, partitions: number): number {
  return keyHash(key) % partitions;
}
