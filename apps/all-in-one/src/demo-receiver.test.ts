import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { call } from '../../../test/support/client.js';
import { startDemoReceiver, type DemoReceiver, type ReceivedRequest } from './demo-receiver.js';

describe('the demo receiver', () => {
  const shown: string[] = [];
  let receiver: DemoReceiver;

  beforeAll(async () => {
    receiver = await startDemoReceiver('127.0.0.1', 0, (line) => shown.push(line));
  });
  beforeEach(async () => {
    await call(`${receiver.url}/received`, { method: 'DELETE' });
  });
  afterAll(() => receiver.stop());

  const received = async (query = ''): Promise<ReceivedRequest[]> =>
    (await call(`${receiver.url}/received${query}`)).json as ReceivedRequest[];
  const setMode = (body: string) => call(`${receiver.url}/mode`, { method: 'POST', body });
  const lastNumber = async (): Promise<number> => {
    await call(`${receiver.url}/mark`);
    return (await received()).at(-1)!.n;
  };

  it('records and shows any request but those that are about itself', async () => {
    await call(`${receiver.url}/a?b=1`);
    await call(`${receiver.url}/c`, { method: 'POST', body: 'd=1' });
    await call(`${receiver.url}//`, { method: 'PUT' });
    await setMode('{"status": 200}');
    const requests = await received();
    expect(requests).toMatchObject([
      { method: 'GET', url: '/a?b=1', body: '' },
      { method: 'POST', url: '/c', body: 'd=1' },
      { method: 'PUT', url: '//' },
    ]);
    const [first] = requests;
    expect(Object.keys(first!)).toEqual(['n', 'method', 'url', 'headers', 'body', 'at']);
    expect(requests.map(({ n }) => n - first!.n)).toEqual([0, 1, 2]);
    expect(shown.at(-2)).toContain('received  POST /c  d=1  -> 200');
  });

  it('keeps the last 100', async () => {
    for (let index = 0; index < 103; index++) await call(`${receiver.url}/${index}`);
    expect((await received()).map(({ url }) => url)).toEqual(Array.from({ length: 100 }, (_, index) => `/${index + 3}`));
  });

  it('is emptied, and goes on counting', async () => {
    const before = await lastNumber();
    const emptied = await call(`${receiver.url}/received`, { method: 'DELETE' });
    expect([emptied.status, emptied.text]).toEqual([204, '']);
    expect(await received()).toEqual([]);
    await call(`${receiver.url}/next`);
    expect(await received()).toMatchObject([{ n: before + 1, url: '/next' }]);
  });

  it('lists those after a number', async () => {
    const last = await lastNumber();
    await call(`${receiver.url}/one`);
    await call(`${receiver.url}/two`);
    expect((await received(`?after=${last}`)).map(({ url }) => url)).toEqual(['/one', '/two']);
    expect(await received(`?after=${last + 2}`)).toEqual([]);
  });

  it('waits until there is one', async () => {
    const last = await lastNumber();
    const waiting = received(`?after=${last}&wait=30`);
    const over = waiting.then(() => 'over');
    await received(); // the server has both by then
    expect(await Promise.race([over, Promise.resolve('waiting')])).toBe('waiting');
    await call(`${receiver.url}/awaited`);
    expect((await waiting).map(({ url }) => url)).toEqual(['/awaited']);
    expect(await received(`?after=${last}&wait=30`)).toHaveLength(1);
  });

  it('does not wait for longer than it was told', async () => {
    expect(await received(`?after=${await lastNumber()}&wait=0.05`)).toEqual([]);
  });

  it.each([
    ['after=x', 'after: must be the n of a request'],
    ['after=-1', 'after: must be the n of a request'],
    ['after=0&wait=61', 'wait: must be a number of seconds from 0 to 60'],
    ['wait=soon', 'wait: must be a number of seconds from 0 to 60'],
  ])('refuses %s, naming it', async (query, message) => {
    const answer = await call(`${receiver.url}/received?${query}`);
    expect([answer.status, answer.json]).toEqual([400, { message: expect.stringContaining(message) as string }]);
  });

  it('changes its answer and how long it takes', async () => {
    expect((await setMode('{"status": 503, "delay_ms": 40}')).json).toEqual({ status: 503, delay_ms: 40 });
    const begun = performance.now();
    expect((await call(`${receiver.url}/x`)).status).toBe(503);
    expect(performance.now() - begun).toBeGreaterThan(35);
    expect((await setMode('{"delay_ms": 0}')).json).toEqual({ status: 503, delay_ms: 0 });
    expect((await setMode('{"status": 200}')).json).toEqual({ status: 200, delay_ms: 0 });
    expect((await call(`${receiver.url}/x`)).status).toBe(200);
  });

  it.each([
    ['{"status": "x"}', 'status: must be a whole number from 200 to 599'],
    ['{"status": 100}', 'status: must be a whole number from 200 to 599'],
    ['{"delay_ms": -1}', 'delay_ms: must be a whole number from 0 to 60000'],
    ['{"delay": 1}', 'delay'],
    ['{', 'must be a JSON object'],
    ['null', 'must be a JSON object'],
  ])('refuses the mode %s, naming what is wrong', async (mode, message) => {
    const answer = await setMode(mode);
    expect([answer.status, answer.json]).toEqual([400, { message: expect.stringContaining(message) as string }]);
    expect((await call(`${receiver.url}/x`)).status).toBe(200);
  });
});
