import type { BusHeader } from './bus.js';

/** A record within its batch. */
export interface RecordToEncode {
  /** To the batch's first timestamp, in milliseconds. */
  readonly timestampDelta: number;
  /** Its place in the batch. */
  readonly offsetDelta: number;
  readonly key: Buffer | string | null;
  readonly value: Buffer | string | null;
  readonly headers: readonly BusHeader[];
}

/** One byte, always: records have no attributes. */
const ATTRIBUTES = 0;

/** Encodes a record of a batch (KIP-98): its size is known first, so that its bytes are written once, into one buffer. */
export function encodeRecord({ timestampDelta, offsetDelta, key, value, headers }: RecordToEncode): Buffer {
  let size = 1 + sizeOfVarint(timestampDelta) + sizeOfVarint(offsetDelta) + sizeOfVarint(headers.length);
  size += sizeOfBytes(key) + sizeOfBytes(value);
  for (const header of headers) size += sizeOfBytes(header.name) + sizeOfBytes(header.value);
  const bytes = Buffer.allocUnsafe(sizeOfVarint(size) + size);
  let at = writeVarint(bytes, 0, size);
  bytes[at++] = ATTRIBUTES;
  at = writeVarint(bytes, at, timestampDelta);
  at = writeVarint(bytes, at, offsetDelta);
  at = writeBytes(bytes, at, key);
  at = writeBytes(bytes, at, value);
  at = writeVarint(bytes, at, headers.length);
  for (const header of headers) {
    at = writeBytes(bytes, at, header.name);
    at = writeBytes(bytes, at, header.value);
  }
  return bytes;
}

/** Signed numbers are interleaved, so that small ones are short: 0, −1, 1, −2, … */
function zigzag(value: number): number {
  return value < 0 ? -2 * value - 1 : 2 * value;
}

function sizeOfVarint(value: number): number {
  let size = 1;
  for (let rest = zigzag(value); rest >= 0x80; rest = Math.floor(rest / 0x80)) size += 1;
  return size;
}

/** @returns where it ends */
function writeVarint(bytes: Buffer, start: number, value: number): number {
  let at = start;
  let rest = zigzag(value);
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes[at++] = (rest % 0x80) | 0x80;
  bytes[at++] = rest;
  return at;
}

function sizeOfBytes(value: Buffer | string | null): number {
  if (value === null) return 1;
  const length = typeof value === 'string' ? Buffer.byteLength(value) : value.length;
  return sizeOfVarint(length) + length;
}

function writeBytes(bytes: Buffer, start: number, value: Buffer | string | null): number {
  if (value === null) return writeVarint(bytes, start, -1);
  if (typeof value !== 'string') {
    const at = writeVarint(bytes, start, value.length);
    return at + value.copy(bytes, at);
  }
  const length = Buffer.byteLength(value);
  const at = writeVarint(bytes, start, length);
  return at + bytes.write(value, at, length, 'utf8');
}
