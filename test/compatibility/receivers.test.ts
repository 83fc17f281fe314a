import { existsSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { NotificationMethod } from '#contracts';
import {
  buildRequest,
  deliveryId,
  encodePairs,
  generateSecret,
  signingKey,
  type NotifiedChange,
  type WebhookRequest,
} from '#webhook';
import { eventually } from '../support/poll.js';
import { CodeReceiver, codeOf, missing, PYTHON, SPRING, type Runner } from '../support/receiver-code.js';

const node = { file: 'hook.mjs', command: () => [process.execPath, 'hook.mjs'], missing: false } as const satisfies Runner;
const python = (...packages: string[]): Runner => ({
  file: 'hook.py',
  command: () => [PYTHON, 'hook.py'],
  missing: missing(PYTHON, '-c', `import ${packages.join(', ')}`),
});

/** By the heading on the page. */
const RUNNERS: Readonly<Record<string, Runner>> = {
  'Node.js': node,
  Express: node,
  PHP: {
    file: 'hook.php',
    command: (port) => ['php', '-S', `127.0.0.1:${port}`, 'hook.php'],
    missing: missing('php', '--version'),
  },
  'Python: Flask': python('flask'),
  'Python: FastAPI': python('fastapi', 'uvicorn'),
  Go: { file: 'hook.go', command: () => ['go', 'run', 'hook.go'], missing: missing('go', 'version') },
  'Java: Spring': {
    file: 'Hook.java',
    command: () => ['java', ...['-XX:TieredStopAtLevel=1', '-cp', join(SPRING, '*'), 'Hook.java']],
    missing:
      (existsSync(SPRING) ? false : 'the jars of tools/install-receivers.sh are not there') || missing('java', '--version'),
  },
  Ruby: { file: 'hook.rb', command: () => ['ruby', 'hook.rb'], missing: missing('ruby', '-e', 'require "webrick"') },
};

const secret = generateSecret();
const formerSecret = generateSecret();
const local: NotifiedChange = {
  agentStatus: 'available',
  agentType: 'local',
  eventSource: 'api',
  agentId: 136,
  name: '000*094@ringme.ru',
};
const remote: NotifiedChange = {
  agentStatus: 'logged_out',
  agentType: 'remote',
  eventSource: 'phone',
  agentId: 9,
  name: '+79161234567',
};
const emoji: NotifiedChange = { ...local, name: 'Оператор 1 & ☎️=%' };

function notification(change: NotifiedChange, method: NotificationMethod, path: string, at = Date.now()): WebhookRequest {
  return buildRequest({
    method,
    url: `http://127.0.0.1${path}`,
    pairs: encodePairs(change),
    id: deliveryId('019aa0e5-6b2c-7c3e-9a4f-3f1d2c4b5a69', 7),
    attempt: 1,
    sequence: 42,
    occurredAt: Date.parse('2026-11-22T10:00:00.123Z'),
    at,
    keys: [signingKey(secret), signingKey(formerSecret)], // as after a rotation
  });
}

/** Sends it to the byte, and resolves with the status of the answer. */
function send(port: number, { method, path, headers, body }: WebhookRequest): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    request({
      host: '127.0.0.1',
      port,
      method,
      path,
      headers: { ...headers, ...(body !== undefined && { 'content-length': Buffer.byteLength(body) }) },
    })
      .on('response', (response) => {
        response.resume().on('end', () => resolve(response.statusCode));
      })
      .on('error', reject)
      .end(body);
  });
}

const altered = (text: string): string => text.replace(/agent_id=\d+/, 'agent_id=137');
const CASES: readonly [what: string, status: number, make: () => WebhookRequest][] = (['GET', 'POST'] as const).flatMap(
  (method) =>
    [
      [`a local agent by ${method}`, 204, () => notification(local, method, '/hook')],
      [`a remote agent by ${method}`, 204, () => notification(remote, method, '/hook')],
      [
        `a url with a query of its own by ${method}`,
        204,
        () => notification(local, method, '/hook?b=%20x&a=1&agent_status=none&c'),
      ],
      [`any text in a name by ${method}`, 204, () => notification(emoji, method, '/hook?key=1')],
      [
        `an altered one by ${method}`,
        401,
        () => {
          const { path, body, ...rest } = notification(local, method, '/hook');
          return { ...rest, path: altered(path), body: body && altered(body) };
        },
      ],
      [`an old one by ${method}`, 401, () => notification(local, method, '/hook', Date.now() - 600_000)],
      [
        `one without a signature by ${method}`,
        401,
        () => {
          const { headers, ...rest } = notification(local, method, '/hook');
          return {
            ...rest,
            headers: Object.fromEntries(Object.entries(headers).filter(([name]) => !name.startsWith('webhook-'))),
          };
        },
      ],
    ] as const,
);

/** The packages for other languages than JavaScript: the code on their pages, beside the file that they are. */
const PACKAGES: readonly [page: string, runner: Runner][] = (
  [
    ['packages/rollcall-receiver-php/README.md', 'Notification.php', RUNNERS['PHP']!],
    ['packages/rollcall-receiver-python/README.md', 'rollcall_receiver.py', RUNNERS['Python: Flask']!],
  ] as const
).map(([page, file, runner]) => [page, { ...runner, beside: join(page, '..', file) }]);

describe.each(PACKAGES)('the code of %s', (page, runner) => {
  describe.skipIf(runner.missing)(runner.missing || 'on this machine', () => {
    let receiver: CodeReceiver;

    beforeAll(async () => {
      const [code] = (await codeOf(page, '# ')).values();
      receiver = await CodeReceiver.start(code!, runner, { ROLLCALL_SECRET: secret });
    }, 180_000);

    afterAll(() => receiver?.stop());

    it.each(CASES)('answers %s with %d', async (_what, status, make) => {
      expect([await send(receiver.port, make()), receiver.output]).toEqual([status, receiver.output]);
    });

    it.each(['local', 'remote'] as const)('reads the notification of a %s agent', async (agentType) => {
      await send(receiver.port, notification(agentType === 'local' ? local : remote, 'POST', '/hook'));
      const said = agentType === 'local' ? 'agent 136 is available' : 'agent 9 is logged_out';
      await eventually('what it says', () => receiver.output.includes(said));
    });
  });
});

describe('the page for receivers', async () => {
  const code = await codeOf('docs/receiving.md');

  it('has code for each of these', () => {
    expect([...code.keys()]).toEqual(expect.arrayContaining(Object.keys(RUNNERS)));
  });

  describe.each(Object.entries(RUNNERS))('%s', (heading, runner) => {
    describe.skipIf(runner.missing)(runner.missing || 'on this machine', () => {
      let receiver: CodeReceiver;

      beforeAll(async () => {
        receiver = await CodeReceiver.start(code.get(heading)!, runner, { ROLLCALL_SECRET: secret });
      }, 180_000);

      afterAll(() => receiver?.stop());

      it.each(CASES)('answers %s with %d', async (_what, status, make) => {
        expect([await send(receiver.port, make()), receiver.output]).toEqual([status, receiver.output]);
      });
    });
  });
});
