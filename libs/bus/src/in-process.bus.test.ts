import { randomUUID } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import { eventually } from '../../../test/support/poll.js';
import { consume, describeBus, type TestConsumer } from './bus.conformance.js';
import { InProcessBroker } from './in-process.bus.js';

describeBus('in-process bus', false, 100, () => {
  const consumed = Array.from({ length: 50 }, () => `topic-${randomUUID()}`);
  const broker = new InProcessBroker({ consumed });
  return Promise.resolve({
    connect: () => broker.bus(),
    topic: () => Promise.resolve(consumed.pop()!),
    close: () => Promise.resolve(broker.close()),
  });
});

describe('in-process bus alone', () => {
  const consumers: TestConsumer[] = [];
  afterEach(async () => {
    for (const consumer of consumers.splice(0)) await consumer.close();
  });

  it('resolves a send when every group has processed it', async () => {
    const broker = new InProcessBroker({ consumed: ['t'] });
    const releases: (() => void)[] = [];
    for (const group of ['a', 'b']) {
      consumers.push(await consume(broker.bus(), 't', group, () => new Promise<void>((resolve) => void releases.push(resolve))));
    }
    let sent = false;
    const sending = broker
      .bus()
      .producer()
      .send('t', [{ key: 'k', value: 'v' }])
      .then(() => (sent = true));
    await eventually('both groups', () => releases.length === 2);
    releases[0]!();
    await new Promise((resolve) => setImmediate(resolve));
    expect(sent).toBe(false);
    releases[1]!();
    await sending;
  });

  it('keeps a record for the group that is yet to come, and forgets those of topics that nobody consumes', async () => {
    const broker = new InProcessBroker({ consumed: ['t'] });
    const producer = broker.bus().producer();
    await producer.send('t.dlq', [{ key: null, value: 'lost' }]);
    const sending = producer.send('t', [{ key: 'k', value: 'v' }]);
    const seen: string[] = [];
    consumers.push(
      await consume(broker.bus(), 't', 'g', ({ records }) => void seen.push(...records.map((one) => String(one.value)))),
    );
    await sending;
    expect(seen).toEqual(['v']);
  });

  it('rejects what is being sent when it closes', async () => {
    const broker = new InProcessBroker({ consumed: ['t'] });
    const bus = broker.bus();
    const sending = bus.producer().send('t', [{ key: 'k', value: 'v' }]);
    broker.close();
    await expect(sending).rejects.toThrow(/closed/);
    await expect(bus.check()).rejects.toThrow(/closed/);
    await expect(bus.producer().send('t', [{ key: 'k', value: 'v' }])).rejects.toThrow(/closed/);
  });

  it('gives each group a copy of its own', async () => {
    const broker = new InProcessBroker({ consumed: ['t'] });
    const seen: string[] = [];
    for (const group of ['a', 'b']) {
      consumers.push(
        await consume(broker.bus(), 't', group, ({ records }) => {
          seen.push(String(records[0]!.value));
          records[0]!.value!.fill('x');
        }),
      );
    }
    const value = Buffer.from('value');
    await broker
      .bus()
      .producer()
      .send('t', [{ key: 'k', value }]);
    expect(seen).toEqual(['value', 'value']);
    expect(String(value)).toBe('value');
  });
});
