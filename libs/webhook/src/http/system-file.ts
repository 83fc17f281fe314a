import { readFile, stat } from 'node:fs/promises';

/** How often it is asked whether the file has changed, in milliseconds. */
const LOOK_MS = 1000;

/** A file of the system's that is read again when it has changed, such as when a container gets another name server. */
export class SystemFile<T> {
  private content: T | undefined;
  private version = '';
  private lookedAt = -Infinity;
  private looking: Promise<void> | undefined;

  constructor(
    private readonly path: string,
    private readonly parse: (text: string) => T,
  ) {}

  /** Reads what the file says now; undefined where it cannot be read, which is as if it were not there. */
  async read(): Promise<T | undefined> {
    if (performance.now() - this.lookedAt > LOOK_MS) await (this.looking ??= this.look());
    return this.content;
  }

  private async look(): Promise<void> {
    try {
      const { mtimeMs, ino, size } = await stat(this.path);
      const version = `${ino} ${mtimeMs} ${size}`;
      if (version !== this.version) this.content = this.parse(await readFile(this.path, 'utf8'));
      this.version = version;
    } catch {
      this.content = undefined;
      this.version = '';
    }
    this.lookedAt = performance.now();
    this.looking = undefined;
  }
}
