import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { useDispatcherWorld, type DispatcherWorld } from '../../../../test/support/dispatcher-world.js';
import { eventually } from '../../../../test/support/poll.js';
import type { RecordingReceiver } from '../../../../test/support/receiver.js';

let world: DispatcherWorld;
let receiver: RecordingReceiver;
useDispatcherWorld((...given) => ([world, receiver] = given));

it('a shard is given back once what is out is answered, with all recorded that was delivered beside it: nothing is sent again', async () => {
  const isOut = (): boolean => receiver.at('/slow').length > 0;
  receiver.answer(({ url }, response) => void delay(url === '/slow' ? 600 : 0).then(() => response.writeHead(200).end()));
  for (const path of ['/quick', '/slow', '/quick']) await world.subscribe(136, `${receiver.url}${path}`);
  const first = await world.start({ DELIVERY_TIMEOUT: 30_000 });
  void world.change(136).catch(() => undefined); // its batch may end with the shard
  await eventually('some delivered, one out', () => receiver.requests.length === 3 && isOut(), 90_000);
  await world.stop(first);
  await world.start({}, { sweep: { everyMs: 200, settleMs: 200 } });
  await world.drained(90_000);
  expect(receiver.requests).toHaveLength(3);
}, 240_000);
