import { AttemptFailure } from '../failure.js';

/** Longest head of an answer, in bytes: contract §6. */
const MAX_HEAD_BYTES = 128 * 1024;
/** Most bytes of interim answers that are passed over. */
const MAX_INTERIM_BYTES = 1024 * 1024;
/** What follows the head is read up to here for the connection's sake, in bytes: contract §6. */
const MAX_REST_BYTES = 64 * 1024;
/** Most bytes of an answer's body that are kept, and of a success's: contract §6. */
const MAX_KEPT_BYTES = 4096;
const MAX_KEPT_OF_SUCCESS_BYTES = 256;
/** Most of one line that is looked at, in bytes: no header that means something to us is longer. */
const MAX_LINE_BYTES = 1024;

const CR = 0x0d;
const LF = 0x0a;
const STATUS_LINE = /^HTTP\/(\d)(?:\.(\d))?[ \t]+(\d{3})(?:[ \t]|$)/i;
const CHUNK_SIZE = /^([0-9a-f]{1,8})[ \t]*(?:;|$)/i;
const LENGTH = /^\d{1,15}$/;

/** The headers that are looked at; all others are passed over. */
const FIELDS = {
  'content-length': 'contentLength',
  'transfer-encoding': 'transferEncoding',
  connection: 'connection',
  'keep-alive': 'keepAlive',
  'retry-after': 'retryAfter',
} as const;
type Field = (typeof FIELDS)[keyof typeof FIELDS];
/** By their first letters, most headers are known not to be among them. */
const INITIALS = new Set(Object.keys(FIELDS).map((name) => name.charCodeAt(0)));

type State =
  | 'status line'
  | 'header'
  | 'body of known length'
  | 'body until the connection ends'
  | 'chunk size'
  | 'chunk'
  | 'end of chunk'
  | 'trailer'
  | 'ended';

/**
 * Reads one answer off a connection, piece by piece: contract §6. The status counts as soon as the head is there, however
 * the head frames the body and whatever follows; framing that is odd only costs the connection. Holds a line and the kept
 * bytes at most. Pure.
 */
export class AnswerReader {
  private state: State = 'status line';
  /** What has come of a line whose end has not. */
  private line = '';
  private isAfterCr = false;
  private fields: Partial<Record<Field, string>> = {};
  /** The header that a folded line would continue. */
  private lastField: Field | undefined;
  /** Of the head, and after it of what follows. */
  private bytes = 0;
  private interimBytes = 0;
  private version = 0;
  /** Of the body or the chunk. */
  private remaining = 0;
  private mayReuse = true;
  private readonly pieces: Buffer[] = [];
  private kept = 0;
  private statusRead = 0;

  /** Returns the status of the final answer; 0 until its head has been read. */
  get status(): number {
    return this.isHeadRead ? this.statusRead : 0;
  }

  get isHeadRead(): boolean {
    return this.state !== 'status line' && this.state !== 'header';
  }

  /** Tells whether nothing more is to be kept of the answer. */
  get isKept(): boolean {
    return this.state === 'ended' || (this.isHeadRead && this.isCut);
  }

  /** Tells whether nothing more is to be read of it. */
  get hasEnded(): boolean {
    return this.state === 'ended';
  }

  /** Tells whether, once it has ended, the connection can carry another exchange. */
  get isReusable(): boolean {
    return this.mayReuse;
  }

  /** Returns every `Retry-After` header, joined by commas. */
  get retryAfter(): string | undefined {
    return this.fields.retryAfter;
  }

  /** Returns how long the receiver says that it keeps an idle connection open, in milliseconds. */
  get keepAliveMs(): number | undefined {
    const seconds = /(?:^|[\s,])timeout=(\d{1,9})/i.exec(this.fields.keepAlive ?? '')?.[1];
    return seconds === undefined ? undefined : Number(seconds) * 1000;
  }

  /** Tells whether the body may be longer than what is kept of it. */
  get isCut(): boolean {
    return this.kept >= this.keepAtMost;
  }

  /** Returns the first bytes of the body, as many as are kept. */
  get body(): Buffer {
    const [first = EMPTY] = this.pieces;
    return this.pieces.length > 1 ? Buffer.concat(this.pieces) : first;
  }

  /**
   * Takes the next bytes of the connection.
   *
   * @throws AttemptFailure when no answer can come of them
   */
  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      switch (this.state) {
        case 'ended':
          this.mayReuse = false; // more than was asked for: it must not be taken for the next answer
          return;
        case 'body of known length':
        case 'body until the connection ends':
        case 'chunk':
          at = this.takeBody(chunk, at);
          break;
        case 'status line':
        case 'header':
        case 'chunk size':
        case 'end of chunk':
        case 'trailer':
          at = this.takeLine(chunk, at);
      }
    }
  }

  private get keepAtMost(): number {
    return this.statusRead >= 200 && this.statusRead < 300 ? MAX_KEPT_OF_SUCCESS_BYTES : MAX_KEPT_BYTES;
  }

  private takeBody(chunk: Buffer, from: number): number {
    const end = this.state === 'body until the connection ends' ? chunk.length : Math.min(chunk.length, from + this.remaining);
    const room = this.keepAtMost - this.kept;
    if (room > 0) {
      const piece = chunk.subarray(from, Math.min(end, from + room));
      this.pieces.push(piece);
      this.kept += piece.length;
    }
    this.remaining -= end - from;
    this.count(end - from);
    if (this.remaining === 0) {
      if (this.state === 'chunk') this.state = 'end of chunk';
      else if (this.state === 'body of known length') this.state = 'ended';
    }
    return end;
  }

  private takeLine(chunk: Buffer, from: number): number {
    const at = chunk.indexOf(LF, from);
    const end = at < 0 ? chunk.length : at;
    const next = at < 0 ? end : at + 1;
    this.count(next - from);
    if (at > from && this.line === '' && this.state === 'header' && this.isPassedOver(chunk[from]!)) return next;
    this.line += chunk.toString('latin1', from, Math.min(end, from + MAX_LINE_BYTES - this.line.length));
    if (at < 0) {
      this.isAfterCr = chunk[end - 1] === CR;
      if (this.state === 'status line') this.checkBeginning();
      return next;
    }
    // Lines that end otherwise than they should: who knows where the receiver thinks that they do.
    if (at > from ? chunk[at - 1] !== CR : !this.isAfterCr) this.mayReuse = false;
    const { line } = this;
    this.line = '';
    this.isAfterCr = false;
    this.onLine(line.endsWith('\r') ? line.slice(0, -1) : line);
    return next;
  }

  private isPassedOver(initial: number): boolean {
    if (initial === CR || initial === 0x20 || initial === 0x09 || INITIALS.has(initial | 0x20)) return false;
    this.lastField = undefined;
    return true;
  }

  private onLine(line: string): void {
    switch (this.state) {
      case 'status line':
        if (line !== '') this.onStatusLine(line);
        break;
      case 'header':
        if (line === '') this.onHead();
        else this.onHeader(line);
        break;
      case 'chunk size': {
        const size = CHUNK_SIZE.exec(line)?.[1];
        if (size === undefined) return this.end(false);
        this.remaining = parseInt(size, 16);
        this.state = this.remaining === 0 ? 'trailer' : 'chunk';
        break;
      }
      case 'end of chunk':
        if (line !== '') return this.end(false);
        this.state = 'chunk size';
        break;
      case 'trailer':
        if (line === '') this.end(true);
        break;
      case 'body of known length':
      case 'body until the connection ends':
      case 'chunk':
      case 'ended': // not made of lines
    }
  }

  private onStatusLine(line: string): void {
    const [, major, minor, status] = STATUS_LINE.exec(line) ?? [];
    if (status === undefined || Number(status) < 100) throw notHttp(line);
    this.version = Number(major) * 10 + Number(minor ?? 0);
    this.statusRead = Number(status);
    this.state = 'header';
  }

  /** What begins otherwise will be no status line, however long its end is waited for. */
  private checkBeginning(): void {
    const beginning = this.line.trimStart().slice(0, 5).toUpperCase();
    if (!'HTTP/'.startsWith(beginning)) throw notHttp(this.line);
  }

  private onHeader(line: string): void {
    if (line.startsWith(' ') || line.startsWith('\t')) {
      const { lastField } = this;
      if (lastField) this.fields[lastField] = `${this.fields[lastField]} ${line}`.trim();
      return;
    }
    const colon = line.indexOf(':');
    const written = line.slice(0, Math.max(colon, 0));
    const name = written.trimEnd();
    const field = FIELDS[name.toLowerCase() as keyof typeof FIELDS] as Field | undefined;
    this.lastField = field;
    if (!field) return;
    if (name !== written) this.mayReuse = false;
    const value = line.slice(colon + 1).trim();
    const before = this.fields[field];
    this.fields[field] = before === undefined ? value : `${before}, ${value}`;
  }

  private onHead(): void {
    if (this.statusRead < 200 && this.statusRead !== 101) return this.skipInterim();
    this.bytes = 0;
    const { contentLength, transferEncoding } = this.fields;
    if (!this.isPersistent) this.mayReuse = false;
    if (this.statusRead === 101) return this.end(false);
    if (this.statusRead === 204 || this.statusRead === 304)
      return this.end(transferEncoding === undefined && (contentLength ?? '0') === '0');
    if (transferEncoding !== undefined) {
      // Both at once is how answers are smuggled.
      if (contentLength !== undefined || transferEncoding.toLowerCase() !== 'chunked' || this.version < 11) this.mayReuse = false;
      this.state = /(?:^|[\s,])chunked$/i.test(transferEncoding) ? 'chunk size' : 'body until the connection ends';
      return;
    }
    const [length = '', ...others] = new Set(contentLength?.split(/[ \t]*,[ \t]*/));
    if (!LENGTH.test(length) || others.length > 0) {
      this.mayReuse = false;
      this.state = 'body until the connection ends';
      return;
    }
    this.remaining = Number(length);
    if (this.remaining === 0) this.end(true);
    else this.state = 'body of known length';
  }

  private get isPersistent(): boolean {
    const options = (this.fields.connection ?? '').toLowerCase().split(/[\s,]+/);
    return this.version >= 11 ? !options.includes('close') : options.includes('keep-alive');
  }

  private skipInterim(): void {
    this.interimBytes += this.bytes;
    if (this.interimBytes > MAX_INTERIM_BYTES) throw new AttemptFailure('interim answers without end', 'protocol');
    this.bytes = 0;
    this.fields = {};
    this.lastField = undefined;
    this.state = 'status line';
  }

  private count(bytes: number): void {
    this.bytes += bytes;
    if (this.isHeadRead) {
      if (this.bytes > MAX_REST_BYTES) this.end(false);
    } else if (this.bytes > MAX_HEAD_BYTES) {
      throw new AttemptFailure(`answer with a head longer than ${MAX_HEAD_BYTES / 1024} KiB`, 'protocol');
    }
  }

  private end(reusable: boolean): void {
    this.state = 'ended';
    this.mayReuse &&= reusable;
  }
}

const EMPTY = Buffer.alloc(0);

function notHttp(line: string): AttemptFailure {
  return new AttemptFailure(`answer is not HTTP: it begins with ${JSON.stringify(line.slice(0, 40))}`, 'protocol');
}
