import { afterAll, beforeAll, expect, it } from 'vitest';
import { AllInOne } from '../support/all-in-one.js';
import { call, RestClient } from '../support/client.js';
import { eventually } from '../support/poll.js';

interface Series {
  readonly [name: string]: (number | null)[];
}

let system: AllInOne;
let demo: RestClient;
let platform: RestClient;
const client = '/client/@me';

beforeAll(async () => {
  system = await AllInOne.start();
  demo = await RestClient.create(system.urls, 'demo', 'demo-secret');
  platform = await RestClient.create(system.urls, 'platform', 'platform-secret');
});

afterAll(() => system.remove());

async function report(agentStatus: string): Promise<void> {
  const item = { client_id: '12', agent_type: 'local', agent_id: 136, agent_status: agentStatus, event_source: 'api' };
  expect((await platform.telemetry(item)).status).toBe(200);
}

/** Follows the stream of deliveries until the test has seen enough. */
async function follow(query: string): Promise<{ readonly text: () => string; readonly close: () => void }> {
  const abort = new AbortController();
  const url = `${system.urls.subscriptionApi}/api/ver1.0/client/@me/delivery/stream${query}`;
  const response = await fetch(url, { headers: { authorization: `Bearer ${demo.token}` }, signal: abort.signal });
  expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/event-stream; charset=utf-8']);
  let text = '';
  void (async () => {
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) text += chunk;
  })().catch(() => undefined); // the test closed it
  await eventually('the first line', () => text !== '');
  return { text: () => text, close: () => abort.abort() };
}

it('shows a delivery from the report to the answer, while it happens and afterwards', async () => {
  const url = `${system.receiverUrl}/hook`;
  const added = await demo.api('POST', `${client}/agent_events/`, { url, event_type: 'agent-login', method: 'POST' });
  const { id } = added.json as { id: number };
  const stream = await follow(`?agent_event_id=${id}`);
  await report('available');
  await report('available');

  const delivered = await eventually('the delivery', async () => {
    const [newest] = (await demo.api('GET', `${client}/delivery/?status=delivered`)).json as { id: string }[];
    return newest;
  });
  expect(delivered).toMatchObject({ status: 'delivered', agent_event: { id, url }, attempts_count: 1, waiting_for: null });
  await eventually('its event', () =>
    stream.text().includes(`event: delivery\ndata: {"delivery_id":"${delivered.id}","status":"delivered","attempt":1}\n\n`),
  );
  stream.close();

  const [sent] = (await call(`${system.receiverUrl}/received`)).json as { body: string; headers: Record<string, string> }[];
  const shown = (await demo.api('GET', `${client}/delivery/${delivered.id}`)).json as {
    request: { body: string; headers: Record<string, string> };
  };
  expect(shown.request.body).toBe(sent!.body);
  for (const [name, value] of Object.entries(shown.request.headers)) {
    if (name === 'webhook-signature') expect(sent!.headers[name]).toContain(value.replace('…', ''));
    else expect([name, sent!.headers[name]]).toEqual([name, value]);
  }

  const sumOf = async (path: string, name: string): Promise<number> => {
    const series = (await demo.api('GET', `${client}/series/${path}`)).json as Series;
    return series[name]!.reduce<number>((sum, value) => sum + (value ?? 0), 0);
  };
  await eventually('what was counted', async () => (await sumOf('deliveries', 'delivered')) === 1);
  expect(await sumOf(`deliveries?agent_event_id=${id}`, 'delivered')).toBe(1);
  await eventually('the changes', async () => (await sumOf('changes', 'logins')) === 1);
  const changes = (await demo.api('GET', `${client}/series/changes?step=60`)).json as Series;
  expect(changes['available']!.at(-1)).toBe(1);

  const explained = await eventually('the last report', async () => {
    const answer = (await demo.api('GET', `${client}/agent/local/136/explain`)).json as { last_report: object | null };
    return answer.last_report && answer;
  });
  expect(explained).toMatchObject({
    record: 'kept',
    last_report: { result: 'unchanged', since_change: 1, agent_status: 'available' },
    steps: [
      { step: 'report', code: 'last_report' },
      { step: 'decision', code: 'unchanged' },
      { step: 'change', code: 'changed' },
      { step: 'agent_events', code: 'told' },
      { step: 'attempts', code: 'delivered' },
    ],
    agent_events: [{ id, code: 'delivered', delivery: { id: delivered.id, attempts: [{ trigger: 'first' }] } }],
  });
  const ahead = new Date(Date.now() + 3_600_000).toISOString();
  expect((await demo.api('GET', `${client}/agent/local/136/explain?at=${ahead}`)).status).toBe(400);

  expect((await call(`${system.urls.subscriptionApi}/console/config.json`)).json).toMatchObject({
    demo: [{ app_id: 'demo', secret: 'demo-secret', access: 'all' }, { app_id: 'platform' }],
  });
});

it('says which origin is not sent to, and that it is again', async () => {
  const mode = (status: number) =>
    call(`${system.receiverUrl}/mode`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ status }),
    });
  const origin = async () => ((await demo.api('GET', `${client}/origin/`)).json as { state: string }[])[0]!;
  for (let n = 0; n < 7; n++) {
    await demo.api('POST', `${client}/agent_events/`, {
      url: `${system.receiverUrl}/dead-${n}`,
      event_type: 'agent-logout',
      method: 'GET',
    });
  }
  expect(await origin()).toMatchObject({ origin: system.receiverUrl, state: 'closed', agent_events: 8 });
  await mode(503);
  await report('logged_out');
  const open = await eventually('the breaker', async () => {
    const seen = await origin();
    return seen.state !== 'closed' && seen;
  });
  expect(open).toMatchObject({ last_error: 'HTTP 503' });
  await eventually('what waits', async () => {
    const waiting = (await demo.api('GET', `${client}/delivery/?status=retrying,waiting`)).json as { waiting_for: object }[];
    return waiting.length === 7 && waiting.every(({ waiting_for }) => waiting_for !== null);
  });
  await mode(200);
  await eventually('the end of it', async () => (await origin()).state === 'closed', 60_000);
});
