import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EventStream } from '../streams/event-stream.js';
import { LogBatch, type LogFrame } from '../streams/log-batch.js';
import { ClientHub, type ReadFrames } from './client-hub.js';

const frameAt = (position: number, size = 1): LogFrame => ({ position, frame: `id: ${position}\n${':'.repeat(size)}\n\n` });

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A log in memory whose reads take a while, and sometimes fail. */
class Log {
  readonly positions: number[] = [];
  reads = 0;
  isAway = false;

  readonly read: ReadFrames = async (after, upTo, limit) => {
    this.reads++;
    const found = this.positions.filter((position) => position > after && position <= upTo).slice(0, limit);
    await turn();
    if (this.isAway) throw new Error('away');
    return found.map((position) => frameAt(position));
  };
}

/** What a reader has received; it may stop taking. */
class Reader {
  private text = '';

  constructor(readonly stream: EventStream) {
    stream.body.setEncoding('utf8');
    this.take();
  }

  get ids(): number[] {
    return [...this.text.matchAll(/^id: (\d+)$/gm)].map((match) => Number(match[1]));
  }

  take(): void {
    this.stream.body.on('data', (chunk: string) => (this.text += chunk));
  }

  stop(): void {
    this.stream.body.removeAllListeners('data').pause();
  }
}

describe('the hub of a client', () => {
  const pause = (): Promise<void> => turn();

  async function settle(hub: { readers: readonly Reader[] }): Promise<void> {
    for (let look = 0; look < 50 + hub.readers.length; look++) await turn();
  }

  it('sends each stream everything after its cursor, once and in order, whenever it comes', async () => {
    const step = fc.oneof(
      fc.record({ does: fc.constant('write' as const), count: fc.integer({ min: 1, max: 150 }), others: fc.nat(3) }),
      fc.record({ does: fc.constant('open' as const), back: fc.nat(300) }),
      fc.record({ does: fc.constantFrom('fail' as const, 'mend' as const, 'wait' as const) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        const log = new Log();
        const hub = new ClientHub(0, log.read, pause);
        const readers: { cursor: number; reader: Reader }[] = [];
        let mark = 0;
        for (const one of steps) {
          if (one.does === 'write') {
            for (let nth = 0; nth < one.count; nth++) log.positions.push((mark += 1 + one.others));
            hub.moved(mark, true);
          } else if (one.does === 'open') {
            const cursor = Math.max(0, mark - one.back);
            const stream = new EventStream(cursor);
            readers.push({ cursor, reader: new Reader(stream) });
            hub.add(stream);
          } else if (one.does === 'wait') await turn();
          else log.isAway = one.does === 'fail';
          if (one.does === 'mend') hub.moved((mark += 2), false); // of other clients
        }
        log.isAway = false;
        await settle({ readers: readers.map(({ reader }) => reader) });
        for (const { cursor, reader } of readers)
          expect(reader.ids).toEqual(log.positions.filter((position) => position > cursor));
        for (const { reader } of readers) reader.stream.body.destroy();
      }),
      { numRuns: 60 },
    );
  });

  it('does not send again what a stream of a cursor ahead of it has seen', async () => {
    const log = new Log();
    const hub = new ClientHub(10, log.read, pause);
    const reader = new Reader(new EventStream(13));
    hub.add(reader.stream);
    await turn();
    log.positions.push(11, 12, 13, 14, 15);
    hub.moved(15, true);
    await settle({ readers: [] });
    expect(reader.ids).toEqual([14, 15]);
  });

  it('reads once for all streams, and not at all for other clients', async () => {
    const log = new Log();
    const hub = new ClientHub(0, log.read, pause);
    const readers = Array.from({ length: 300 }, () => new Reader(new EventStream(0)));
    for (const { stream } of readers) hub.add(stream);
    await turn();
    for (let position = 1; position <= 50; position++) hub.moved(position, false);
    expect(log.reads).toBe(0);
    log.positions.push(51);
    hub.moved(51, true);
    await settle({ readers });
    expect(log.reads).toBe(1);
    for (const { ids } of readers) expect(ids).toEqual([51]);
  });

  it('holds little for a reader that takes nothing, and sends it the rest later', async () => {
    const log = new Log();
    const hub = new ClientHub(0, log.read, pause);
    const [slow, quick] = [new Reader(new EventStream(0)), new Reader(new EventStream(0))];
    for (const { stream } of [slow, quick]) hub.add(stream);
    await turn();
    slow.stop();
    for (let position = 1; position <= 20_000; position++) {
      log.positions.push(position);
      if (position % 100 === 0) {
        hub.moved(position, true);
        await turn();
      }
    }
    await settle({ readers: [] });
    expect(quick.ids).toEqual(log.positions);
    expect(slow.stream.body.readableLength).toBeLessThan(64 * 1024);
    slow.take();
    slow.stream.body.resume();
    for (let look = 0; look < 2000 && slow.ids.length < 20_000; look++) await turn();
    expect(slow.ids).toEqual(log.positions);
  });

  it('keeps nothing of what it has sent', async () => {
    const log = new Log();
    const hub = new ClientHub(0, log.read, pause);
    const { stream } = new Reader(new EventStream(0));
    hub.add(stream);
    await turn();
    const listeners = (): number => stream.body.eventNames().reduce((sum, name) => sum + stream.body.listenerCount(name), 0);
    const before = listeners();
    for (let position = 1; position <= 5000; position++) {
      log.positions.splice(0, log.positions.length, position);
      hub.moved(position, true);
      await turn();
    }
    await settle({ readers: [] });
    expect([stream.cursor, listeners()]).toEqual([5000, before]);
    stream.body.destroy();
    await turn();
    expect(hub.isEmpty).toBe(true);
  });
});

describe('a batch', () => {
  it('goes out from where a stream is', () => {
    const batch = new LogBatch([3, 5, 9].map((position) => frameAt(position)));
    const after = (cursor: number): number[] =>
      [...String(batch.bytesAfter(cursor) ?? '').matchAll(/id: (\d+)/g)].map((match) => Number(match[1]));
    expect([after(0), after(2), after(3), after(4), after(8), after(9), after(10)]).toEqual([
      [3, 5, 9],
      [3, 5, 9],
      [5, 9],
      [5, 9],
      [9],
      [],
      [],
    ]);
    expect(batch.bytesAfter(0)).toBe(batch.bytesAfter(1)); // encoded once
    expect(new LogBatch([]).bytesAfter(0)).toBeUndefined();
  });
});
