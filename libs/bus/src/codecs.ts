import { promisify } from 'node:util';
import zlib from 'node:zlib';
import { lz4Decompress, snappyDecompress } from '@platformatic/wasm-utils';
import { ByteReader, MalformedError } from './byte-reader.js';

/** The bytes would expand to more than is allowed. */
export class TooLargeError extends Error {
  override readonly name = 'TooLargeError';

  constructor(maxBytes: number) {
    super(`it expands beyond ${maxBytes / 2 ** 20} MiB`);
  }
}

/** This Node.js has not what it takes. Another one can read the bytes, so they must not be passed over. */
export class UnsupportedError extends Error {
  override readonly name = 'UnsupportedError';
}

type Decompress = (bytes: Buffer, maxBytes: number) => Promise<Buffer> | Buffer;

/** A name for people, and how it is read. */
interface Codec {
  readonly name: string;
  readonly decompress: Decompress;
}

const gunzipAsync = promisify(zlib.gunzip);

/** Kafka's compression codecs by their number in a batch's attributes; 0 is none. */
const CODECS: Readonly<Record<number, Codec>> = {
  1: { name: 'gzip', decompress: (bytes, maxOutputLength) => gunzipAsync(bytes, { maxOutputLength }) },
  2: { name: 'snappy', decompress: decompressSnappy },
  3: { name: 'lz4', decompress: decompressLz4 },
  4: { name: 'zstd', decompress: decompressZstd },
};

/**
 * Expands what a producer or broker has compressed. What it holds meanwhile is bounded by `maxBytes`, whatever the bytes say.
 *
 * @param codec its number in the batch's attributes, 1 to 4
 * @throws TooLargeError beyond `maxBytes`; MalformedError, with the reason, when the codec is unknown or the bytes are not its own;
 *   UnsupportedError
 */
export async function decompress(codec: number, bytes: Buffer, maxBytes: number): Promise<Buffer> {
  const known = CODECS[codec];
  if (!known) throw new MalformedError(`its compression has the unknown number ${codec}`);
  try {
    return await known.decompress(bytes, maxBytes);
  } catch (error) {
    if (error instanceof TooLargeError || error instanceof UnsupportedError) throw error;
    if (error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE') throw new TooLargeError(maxBytes);
    throw new MalformedError(`it is not readable as ${known.name}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Of zstd: every window that its levels make without `--long`: 128 MiB, which is taken only as far as it is filled. */
const ZSTD_WINDOW_LOG_MAX = 27;

function decompressZstd(bytes: Buffer, maxOutputLength: number): Promise<Buffer> {
  // Not imported by its name, which Node.js 20 does not have: nothing at all would start there.
  const zstdDecompress = zlib.zstdDecompress as typeof zlib.zstdDecompress | undefined;
  if (!zstdDecompress) throw new UnsupportedError(`zstd needs Node.js 22.19 or later; this is ${process.versions.node}`);
  const params = { [zlib.constants.ZSTD_d_windowLogMax]: ZSTD_WINDOW_LOG_MAX };
  return promisify(zstdDecompress)(bytes, { maxOutputLength, params });
}

/** What snappy-java, and so every Java producer, puts before the first block. Others write one bare block. */
const JAVA_SNAPPY_MAGIC = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]);

function decompressSnappy(bytes: Buffer, maxBytes: number): Buffer {
  const output = new BoundedOutput(maxBytes);
  if (!bytes.subarray(0, JAVA_SNAPPY_MAGIC.length).equals(JAVA_SNAPPY_MAGIC)) {
    expandSnappyBlock(bytes, output);
    return output.bytes();
  }
  const reader = new ByteReader(bytes);
  reader.take(JAVA_SNAPPY_MAGIC.length);
  reader.take(8); // the version that wrote it, and the oldest that reads it
  while (reader.remaining > 0) expandSnappyBlock(reader.take(reader.int32()), output);
  return output.bytes();
}

/** A block begins with its expanded length, so a bomb is known before it is expanded. */
function expandSnappyBlock(block: Buffer, output: BoundedOutput): void {
  let length = 0;
  for (let index = 0; ; index++) {
    const byte = block[index];
    if (byte === undefined || index > 4) throw new MalformedError('a block does not say how long it is');
    length += (byte & 0x7f) * 2 ** (7 * index);
    if (byte < 0x80) break;
  }
  output.reserve(length);
  output.add(snappyDecompress(block));
}

const LZ4_MAGIC = 0x184d2204;
const LZ4_VERSION = 1;
/** Flags of a frame's descriptor. */
const LZ4_INDEPENDENT = 0x20;
const LZ4_BLOCK_CHECKSUM = 0x10;
const LZ4_CONTENT_SIZE = 0x08;
const LZ4_CONTENT_CHECKSUM = 0x04;
const LZ4_DICTIONARY = 0x01;
/** In a block's length: it stands there uncompressed. */
const LZ4_STORED = 0x80000000;
const LZ4_MAX_BLOCK_BYTES = 4 * 2 ** 20;
/** Before and after a block, so that it is a frame of its own: independent, of up to 4 MiB; the last byte is their checksum. */
const LZ4_FRAME_START = Buffer.from([0x04, 0x22, 0x4d, 0x18, 0x60, 0x70, 0x73]);
const LZ4_FRAME_END = Buffer.alloc(4);

/**
 * Takes a frame apart and expands it block by block, each of which is bounded: the library would expand all of it at once, and
 * its memory never shrinks. Blocks that refer to others are refused by Kafka's own clients and brokers too. A batch has a
 * checksum; those within the frame are left alone.
 */
function decompressLz4(bytes: Buffer, maxBytes: number): Buffer {
  const reader = new ByteReader(bytes);
  const output = new BoundedOutput(maxBytes);
  while (reader.remaining > 0) expandLz4Frame(reader, output);
  return output.bytes();
}

function expandLz4Frame(reader: ByteReader, output: BoundedOutput): void {
  if (reader.uint32LittleEndian() !== LZ4_MAGIC) throw new MalformedError('a frame does not begin as one');
  const flags = reader.take(2)[0]!; // the second: how large blocks may be, which is not needed
  if (flags >> 6 !== LZ4_VERSION || (flags & LZ4_DICTIONARY) !== 0) throw new MalformedError('a frame is of another version');
  if ((flags & LZ4_INDEPENDENT) === 0) throw new MalformedError('blocks that refer to others are not supported');
  if ((flags & LZ4_CONTENT_SIZE) !== 0) reader.take(8);
  reader.take(1); // the checksum of the flags
  for (let length = reader.uint32LittleEndian(); length !== 0; length = reader.uint32LittleEndian()) {
    const block = reader.take(length % LZ4_STORED);
    if (block.length > LZ4_MAX_BLOCK_BYTES) throw new MalformedError('a block is too large');
    if (length >= LZ4_STORED) output.add(block);
    else output.add(expandLz4Block(block));
    if ((flags & LZ4_BLOCK_CHECKSUM) !== 0) reader.take(4);
  }
  if ((flags & LZ4_CONTENT_CHECKSUM) !== 0) reader.take(4);
}

function expandLz4Block(block: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(block.length);
  const expanded = lz4Decompress(Buffer.concat([LZ4_FRAME_START, length, block, LZ4_FRAME_END]));
  if (expanded.length === 0) throw new MalformedError('a block is damaged'); // the library says nothing of it
  return expanded;
}

/** Collects parts up to a number of bytes. */
class BoundedOutput {
  private readonly parts: Buffer[] = [];
  private length = 0;

  constructor(private readonly maxBytes: number) {}

  /** @throws TooLargeError when so much more would be too much */
  reserve(length: number): void {
    if (this.length + length > this.maxBytes) throw new TooLargeError(this.maxBytes);
  }

  add(part: Buffer): void {
    this.reserve(part.length);
    this.parts.push(part);
    this.length += part.length;
  }

  bytes(): Buffer {
    return this.parts.length === 1 ? this.parts[0]! : Buffer.concat(this.parts, this.length);
  }
}
