import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Webhook } from 'standardwebhooks';
import { AllInOne } from '../support/all-in-one.js';
import { RestClient } from '../support/client.js';
import { eventually } from '../support/poll.js';
import { RecordingReceiver } from '../support/receiver.js';
import { CodeReceiver, missing, type Runner } from '../support/receiver-code.js';

const PHP: Runner = {
  file: 'log.php',
  command: (port) => ['php', '-S', `127.0.0.1:${port}`],
  missing: missing('php', '--version'),
};
const PHP_SAMPLE = `<?php
$log = "------\\n";
foreach ($_SERVER['REQUEST_METHOD'] === 'GET' ? $_GET : $_POST as $key => $value) $log .= "$key => $value\\n";
file_put_contents('log.txt', $log, FILE_APPEND);
`;
const PAIRS = 'agent_status=available&agent_type=local&event_source=api&agent_id=136&extension_name=000*094%40ringme.ru';

/** The documented API's own example: client 12, local agent 136, `000*094@ringme.ru`; contract §6. */
describe('the seed’s example', () => {
  let system: AllInOne;
  let receiver: RecordingReceiver;
  let demo: RestClient;
  let platform: RestClient;

  beforeAll(async () => {
    receiver = await RecordingReceiver.start();
    system = await AllInOne.start();
    demo = await RestClient.create(system.urls, 'demo', 'demo-secret');
    platform = await RestClient.create(system.urls, 'platform', 'platform-secret');
  });

  afterAll(async () => {
    await system.remove();
    await receiver.stop();
  });

  it('arrives to the byte, by GET in the query and by POST in the body', async () => {
    const subscribe = (url: string, event_type: string, method: string) =>
      demo.api('POST', '/client/12/agent/local/136/event/', { url: `${receiver.url}${url}`, event_type, method });
    expect((await subscribe('/get', 'agent-login', 'GET')).status).toBe(201);
    expect((await subscribe('/get-with-query?key=a%20b&x', 'agent-login', 'get')).status).toBe(201);
    const post = await subscribe('/post?key=a%20b', 'AGENT-LOGIN', 'post');
    expect(post.json).toMatchObject({ method: 'POST', event_type: 'agent-login' });
    const { id: postId } = post.json as { id: number };

    const item = { client_id: '12', agent_type: 'local', agent_id: 136, agent_status: 'available', event_source: 'api' };
    const sent = await platform.telemetry({
      ...item,
      extension_name: '000*094@ringme.ru',
      occurred_at: '2026-11-22T10:00:00.123Z',
    });
    expect(sent.text).toBe('[{"result":"changed","sequence":1}]');

    await eventually('three notifications', () => receiver.requests.length >= 3);
    expect(receiver.at('/get?')).toMatchObject([{ method: 'GET', url: `/get?${PAIRS}`, body: '' }]);
    expect(receiver.at('/get?')[0]?.headers).not.toHaveProperty('content-type');
    expect(receiver.at('/get-with-query')).toMatchObject([
      { method: 'GET', url: `/get-with-query?key=a%20b&x&${PAIRS}`, body: '' },
    ]);
    const [posted] = receiver.at('/post');
    expect(posted).toMatchObject({ method: 'POST', url: '/post?key=a%20b', body: PAIRS });
    expect(posted?.headers).toMatchObject({
      'content-type': 'application/x-www-form-urlencoded',
      'webhook-attempt': '1',
      'webhook-event-time': '2026-11-22T10:00:00.123Z',
      'webhook-sequence': '1',
    });
    expect(posted?.headers['user-agent']).toMatch(/^Rollcall\/\d+\.\d+\.\d+$/);
    expect(posted?.headers['webhook-id']).toMatch(new RegExp(`^[0-9a-f-]{36}_${postId}$`));
    expect(posted?.headers).not.toHaveProperty('webhook-test');
  });

  it('is signed so that the public Standard Webhooks verifier accepts it, GET and POST', async () => {
    const [secret] = (await demo.api('GET', '/client/@me/webhook_secret/')).json as { secret: string }[];
    const verifier = new Webhook(secret?.secret ?? '');
    for (const { headers } of receiver.requests) {
      expect(() => verifier.verify(PAIRS, headers as Record<string, string>, { jsonParse: false })).not.toThrow();
    }
    const [first] = receiver.requests;
    expect(() => verifier.verify(`${PAIRS}&x=1`, first?.headers as Record<string, string>, { jsonParse: false })).toThrow();
  });

  it('is not repeated by a repeated status, and logs out as agent-logout only', async () => {
    const before = receiver.requests.length;
    const item = { client_id: '12', agent_type: 'local', agent_id: 136, event_source: 'phone' };
    await demo.api('POST', '/client/@me/agent/local/136/event', {
      url: `${receiver.url}/logout`,
      event_type: 'agent-logout',
      method: 'POST',
    });
    const sent = await platform.telemetry([
      { ...item, agent_status: 'available' },
      { ...item, agent_status: 'logged_out', occurred_at: '2026-11-22T09:00:00Z' },
      { ...item, agent_status: 'logged_out' },
    ]);
    expect(sent.json).toEqual([
      { result: 'unchanged', sequence: 1 },
      { result: 'stale', sequence: 1 },
      { result: 'changed', sequence: 2 },
    ]);
    await eventually('the logout', () => receiver.at('/logout').length > 0);
    expect(receiver.requests.slice(before)).toMatchObject([
      {
        url: '/logout',
        body: 'agent_status=logged_out&agent_type=local&event_source=phone&agent_id=136&extension_name=000*094%40ringme.ru',
      },
    ]);
  });

  it('notifies of a remote agent by its number', async () => {
    const number = { agent_number: '+74951234567' };
    expect((await demo.api('PUT', '/client/@me/agent/remote/137', number)).status).toBe(200);
    await demo.api('POST', '/client/@me/agent/remote/137/event', {
      url: `${receiver.url}/remote`,
      event_type: 'agent-login',
      method: 'GET',
    });
    await platform.telemetry({
      client_id: 12,
      agent_type: 'remote',
      agent_id: 137,
      agent_status: 'available',
      event_source: 'phone',
    });
    const [request] = await eventually('the remote login', () => receiver.at('/remote').length > 0 && receiver.at('/remote'));
    expect(request?.url).toBe(
      '/remote?agent_status=available&agent_type=remote&event_source=phone&agent_id=137&agent_number=%2B74951234567',
    );
  });

  // The documented API's own sample of a receiver: PHP's built-in server writes down what it finds in $_GET or $_POST.
  describe.skipIf(PHP.missing)(PHP.missing || 'in PHP', () => {
    let php: CodeReceiver;

    beforeAll(async () => {
      php = await CodeReceiver.start(PHP_SAMPLE, PHP, {});
    });

    afterAll(() => php?.stop());

    it('is read by the documented sample, line by line', async () => {
      const subscribe = (event_type: string, method: string) =>
        demo.api('POST', '/client/@me/agent/local/136/event/', {
          url: `http://127.0.0.1:${php.port}/log.php`,
          event_type,
          method,
        });
      expect((await subscribe('agent-login', 'GET')).status).toBe(201);
      expect((await subscribe('agent-logout', 'POST')).status).toBe(201);
      const item = { client_id: '12', agent_type: 'local', agent_id: 136 };
      await platform.telemetry([
        { ...item, agent_status: 'available', event_source: 'api' },
        { ...item, agent_status: 'available', event_source: 'api' },
        { ...item, agent_status: 'logged_out', event_source: 'phone' },
      ]);
      const lines = await eventually('both in the log', async () => {
        const read = (await php.read('log.txt')).trimEnd().split('\n');
        return read.length >= 12 && read;
      });
      const six = (status: string, source: string) => [
        '------',
        `agent_status => ${status}`,
        'agent_type => local',
        `event_source => ${source}`,
        'agent_id => 136',
        'extension_name => 000*094@ringme.ru',
      ];
      // Login and logout are at one url, and so in order.
      expect(lines).toEqual([...six('available', 'api'), ...six('logged_out', 'phone')]);
    });
  });
});
