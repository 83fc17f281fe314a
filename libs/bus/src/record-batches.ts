import { crc32c } from '@platformatic/wasm-utils';
import type { BusHeader } from './bus.js';
import { ByteReader, MalformedError } from './byte-reader.js';
import { decompress, TooLargeError } from './codecs.js';

/** A batch may expand to this many bytes: contract §4. */
export const MAX_EXPANDED_BYTES = 64 * 2 ** 20;

/** What a batch that cannot be read, or what is left of it, is handed on as. */
export interface Unreadable {
  /** In words for people. */
  readonly reason: string;
  /** Of the records that are passed over; a decimal number. */
  readonly firstOffset: string;
}

/** A record as kafkajs is handed it. */
export interface FetchedRecord {
  readonly offset: string;
  /** Milliseconds since the epoch; a decimal number, which may be negative or absurd. */
  readonly timestamp: string;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headerList: readonly BusHeader[];
  /** No record that a handler sees, but offsets that are taken care of up to this one. */
  readonly isControlRecord: boolean;
  /** Then there is nothing else in it, and `offset` is the last that is passed over. */
  readonly unreadable?: Unreadable;
}

/** A transaction of a fetched partition that was given up: contract §4. */
export interface AbortedTransaction {
  readonly producerId: string;
  readonly firstOffset: string;
}

/** One partition's part of a fetch. */
export interface FetchedBytes {
  readonly bytes: Buffer;
  /** The first offset that was asked for. */
  readonly from: bigint;
  /** One more than the last offset that there can be. */
  readonly highWatermark: bigint;
  readonly aborted: readonly AbortedTransaction[];
}

/**
 * How much of a fetch is decoded. What is left over is fetched again: compressed records can take a thousand times the room
 * of what was fetched, and the fetch's own bounds do not see it.
 */
export class DecodeBudget {
  private bytes = 0;
  private records = 0;

  constructor(
    private readonly maxBytes: number,
    private readonly maxRecords: number,
  ) {}

  get isSpent(): boolean {
    return this.bytes >= this.maxBytes || this.hasNoRecordLeft;
  }

  get hasNoRecordLeft(): boolean {
    return this.records >= this.maxRecords;
  }

  spendBytes(count: number): void {
    this.bytes += count;
  }

  spendRecord(): void {
    this.records += 1;
  }
}

/** From the length field to the first record; shorter ones are no batches. */
const HEADER_BYTES = 49;
/** The base offset and the length, which the length does not count. */
const PREFIX_BYTES = 12;
const MAGIC = 2;
const CODEC_MASK = 0x07;
const LOG_APPEND_TIME = 0x08;
const TRANSACTIONAL = 0x10;
const CONTROL = 0x20;
/** In the key of a control record. */
const ABORT = 0;

/**
 * Decodes record batches (KIP-98), in the order in which they stand. Whatever is in them, it ends: what cannot be read is one record
 * that says so, for the whole of its batch or the rest of it, and the next batch is read.
 *
 * @param budget no further batch is begun once it is spent; a batch of more records than it has left is gone on with by the next fetch
 * @returns records from `from` on; those that a transaction gave up, and offsets without a record, as control records
 */
export async function decodeBatches(fetched: FetchedBytes, budget: DecodeBudget): Promise<FetchedRecord[]> {
  const records: FetchedRecord[] = [];
  const transactions = new Transactions(fetched.aborted);
  for (const { baseOffset, lastOffset, damage, bytes } of entriesOf(fetched)) {
    if (budget.isSpent) break;
    if (lastOffset < fetched.from) continue;
    let next = baseOffset > fetched.from ? baseOffset : fetched.from;
    try {
      if (damage !== undefined) throw new MalformedError(damage);
      const batch = parseHeader(bytes);
      budget.spendBytes(bytes.length);
      if (transactions.shows(batch, lastOffset)) {
        for (const record of recordsOf(baseOffset, batch, await expanded(batch, budget), next)) {
          if (budget.hasNoRecordLeft) return records;
          budget.spendRecord();
          records.push(record);
          next = BigInt(record.offset) + 1n;
        }
      }
      if (next <= lastOffset) records.push(gap(lastOffset));
    } catch (error) {
      if (!(error instanceof MalformedError || error instanceof TooLargeError)) throw error;
      const unreadable = { reason: error.message, firstOffset: String(next) };
      records.push({ ...gap(lastOffset), isControlRecord: false, unreadable });
    }
  }
  return records;
}

/** A batch as it lies in the log. */
interface Entry {
  readonly baseOffset: bigint;
  readonly lastOffset: bigint;
  /** Why it cannot be read; then only the offsets are to be relied on. */
  readonly damage: string | undefined;
  /** What its length counts. */
  readonly bytes: Buffer;
}

/** The batches that are whole: the last one of a fetch may be cut off, and is fetched again. */
function* entriesOf({ bytes, from, highWatermark }: FetchedBytes): Generator<Entry> {
  for (let start = 0; start + PREFIX_BYTES + HEADER_BYTES <= bytes.length;) {
    const baseOffset = bytes.readBigInt64BE(start);
    const length = bytes.readInt32BE(start + 8);
    const end = start + PREFIX_BYTES + length;
    if (length < HEADER_BYTES) {
      // Where the next one begins is not known either: one offset is passed over, and the broker asked for what follows.
      yield { baseOffset, lastOffset: from, damage: 'it is shorter than any batch', bytes: EMPTY };
      return;
    }
    if (end > bytes.length) return;
    const entry = bytes.subarray(start + PREFIX_BYTES, end);
    const damage = damageOf(entry);
    const claimed = baseOffset + BigInt(entry.readInt32BE(11));
    const following = end + 8 <= bytes.length ? bytes.readBigInt64BE(end) : highWatermark;
    yield {
      baseOffset,
      lastOffset: damage === undefined ? claimed : within(claimed, from > baseOffset ? from : baseOffset, following - 1n),
      damage,
      bytes: entry,
    };
    start = end;
  }
}

/** A damaged batch may say anything of where it ends. It ends before what follows, and something is always passed over. */
function within(offset: bigint, least: bigint, most: bigint): bigint {
  const bounded = offset < most ? offset : most;
  return bounded > least ? bounded : least;
}

function damageOf(entry: Buffer): string | undefined {
  const magic = entry.readInt8(4);
  if (magic !== MAGIC) return `it has the message format ${magic}, which is not that of Kafka 0.11 and later`;
  return crc32c(entry.subarray(9)) === entry.readUInt32BE(5) ? undefined : 'its checksum is wrong';
}

const EMPTY = Buffer.alloc(0);

interface BatchHeader {
  readonly attributes: number;
  readonly lastOffsetDelta: number;
  readonly firstTimestamp: bigint;
  readonly maxTimestamp: bigint;
  readonly producerId: bigint;
  readonly count: number;
  readonly records: Buffer;
}

function parseHeader(bytes: Buffer): BatchHeader {
  return {
    attributes: bytes.readInt16BE(9),
    lastOffsetDelta: bytes.readInt32BE(11),
    firstTimestamp: bytes.readBigInt64BE(15),
    maxTimestamp: bytes.readBigInt64BE(23),
    producerId: bytes.readBigInt64BE(31),
    count: bytes.readInt32BE(45),
    records: bytes.subarray(HEADER_BYTES),
  };
}

async function expanded({ attributes, records }: BatchHeader, budget: DecodeBudget): Promise<Buffer> {
  const codec = attributes & CODEC_MASK;
  if (codec === 0) return records;
  const bytes = await decompress(codec, records, MAX_EXPANDED_BYTES);
  budget.spendBytes(bytes.length);
  return bytes;
}

/** Which batches count: those of transactions that were given up do not, and neither do the markers of any. */
class Transactions {
  private readonly waiting: AbortedTransaction[];
  private readonly open = new Set<bigint>();

  constructor(aborted: readonly AbortedTransaction[]) {
    this.waiting = [...aborted].sort((one, other) => Number(BigInt(one.firstOffset) - BigInt(other.firstOffset)));
  }

  shows({ attributes, producerId, records }: BatchHeader, lastOffset: bigint): boolean {
    while (this.waiting.length > 0 && BigInt(this.waiting[0]!.firstOffset) <= lastOffset) {
      this.open.add(BigInt(this.waiting.shift()!.producerId));
    }
    if ((attributes & CONTROL) !== 0) {
      if (controlType(records) === ABORT) this.open.delete(producerId);
      return false;
    }
    return (attributes & TRANSACTIONAL) === 0 || !this.open.has(producerId);
  }
}

/** The type in the key of the one record of a control batch, after its version. */
function controlType(records: Buffer): number {
  const reader = new ByteReader(records);
  reader.varint();
  reader.int8();
  reader.varlong();
  reader.varint();
  const key = new ByteReader(reader.nullableBytes() ?? EMPTY);
  key.int16();
  return key.int16();
}

/** Those from an offset on: a large batch is gone on with fetch after fetch, and what was handed on is passed over at little cost. */
function* recordsOf(baseOffset: bigint, batch: BatchHeader, bytes: Buffer, from: bigint): Generator<FetchedRecord> {
  const reader = new ByteReader(bytes);
  const firstDelta = Number(from - baseOffset);
  let before = -1;
  for (let index = 0; index < batch.count; index++) {
    const record = new ByteReader(reader.take(reader.varint()));
    record.int8(); // attributes, of which there are none
    const timestampDelta = record.varlong();
    const offsetDelta = record.varint();
    if (offsetDelta <= before || offsetDelta > batch.lastOffsetDelta) throw new MalformedError('its offsets are out of order');
    before = offsetDelta;
    if (offsetDelta < firstDelta) continue;
    const key = record.nullableBytes();
    const value = record.nullableBytes();
    const timestamp = (batch.attributes & LOG_APPEND_TIME) !== 0 ? batch.maxTimestamp : batch.firstTimestamp + timestampDelta;
    yield {
      offset: String(baseOffset + BigInt(offsetDelta)),
      timestamp: String(timestamp),
      key,
      value,
      headerList: readHeaders(record),
      isControlRecord: false,
    };
  }
}

const NO_HEADERS: readonly BusHeader[] = [];

function readHeaders(record: ByteReader): readonly BusHeader[] {
  const count = record.varint();
  if (count === 0) return NO_HEADERS;
  const headers: BusHeader[] = [];
  for (let index = 0; index < count; index++) {
    const name = record.nullableBytes();
    if (name === null) throw new MalformedError('a header has no name');
    headers.push({ name, value: record.nullableBytes() });
  }
  return headers;
}

/** Has kafkajs go on behind this offset. */
function gap(offset: bigint): FetchedRecord {
  return { offset: String(offset), timestamp: '-1', key: null, value: null, headerList: NO_HEADERS, isControlRecord: true };
}
