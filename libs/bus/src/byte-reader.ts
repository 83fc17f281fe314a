/** The bytes end before what is to be read, or are not what they must be. */
export class MalformedError extends Error {
  override readonly name = 'MalformedError';
}

/** A varint of 32 bits has at most five bytes, one of 64 bits ten. */
const MAX_VARINT_BYTES = 5;
const MAX_VARLONG_BYTES = 10;

/** Reads Kafka's primitive types one after the other, and never past the end. Every method throws {@link MalformedError}. */
export class ByteReader {
  private position = 0;

  constructor(private readonly bytes: Buffer) {}

  /** Returns how many bytes are left. */
  get remaining(): number {
    return this.bytes.length - this.position;
  }

  /** Takes the next `length` bytes; they share their memory with the whole. */
  take(length: number): Buffer {
    if (length < 0 || length > this.remaining)
      throw new MalformedError(`${length} bytes are announced, ${this.remaining} are there`);
    const start = this.position;
    this.position += length;
    return this.bytes.subarray(start, this.position);
  }

  int8(): number {
    return (this.byte() << 24) >> 24;
  }

  int16(): number {
    return this.take(2).readInt16BE(0);
  }

  int32(): number {
    return this.take(4).readInt32BE(0);
  }

  /** Reads four bytes with the lowest first, as compression formats have them. */
  uint32LittleEndian(): number {
    return this.take(4).readUInt32LE(0);
  }

  /** Reads a zigzag varint of 32 bits. */
  varint(): number {
    let value = 0;
    for (let index = 0; index < MAX_VARINT_BYTES; index++) {
      const byte = this.byte();
      value |= (byte & 0x7f) << (7 * index);
      if (byte < 0x80) return (value >>> 1) ^ -(value & 1);
    }
    throw new MalformedError('a varint is longer than 32 bits');
  }

  /** Reads a zigzag varint of 64 bits. */
  varlong(): bigint {
    let low = 0; // the first 28 bits, which is nearly always all of it
    for (let index = 0; index < 4; index++) {
      const byte = this.byte();
      low |= (byte & 0x7f) << (7 * index);
      if (byte < 0x80) return BigInt((low >>> 1) ^ -(low & 1));
    }
    let value = BigInt(low);
    for (let index = 4; index < MAX_VARLONG_BYTES; index++) {
      const byte = this.byte();
      value |= BigInt(byte & 0x7f) << BigInt(7 * index);
      if (byte < 0x80) return BigInt.asIntN(64, (value >> 1n) ^ -(value & 1n));
    }
    throw new MalformedError('a varlong is longer than 64 bits');
  }

  /** Reads bytes with their length as a varint before them, or null. */
  nullableBytes(): Buffer | null {
    const length = this.varint();
    return length === -1 ? null : this.take(length);
  }

  private byte(): number {
    const byte = this.bytes[this.position];
    if (byte === undefined) throw new MalformedError('the bytes end in the middle of a number');
    this.position += 1;
    return byte;
  }
}
