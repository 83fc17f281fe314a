import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { AllInOne } from '../support/all-in-one.js';
import { RestClient } from '../support/client.js';
import { COMPANY } from '../support/company-ca.js';

/** A receiver whose certificate comes from a company's own authority: NODE_EXTRA_CA_CERTS. */
let directory: string;
let receiver: Server;
let url: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'rollcall-ca-'));
  await writeFile(join(directory, 'ca.crt'), COMPANY.authority);
  receiver = createServer({ cert: COMPANY.certificate, key: COMPANY.key }, (_, response) => response.end()).listen(
    0,
    '127.0.0.1',
  );
  await once(receiver, 'listening');
  url = `https://127.0.0.1:${(receiver.address() as AddressInfo).port}/`;
});

afterAll(async () => {
  await once(receiver.close(), 'close');
  await rm(directory, { recursive: true, force: true });
});

it.each([
  ['is sent to when its authority is named', true, { status: 200 }],
  ['is refused when it is not', false, { error: expect.stringMatching(/certificate/i) as string }],
])('a receiver of a company’s own authority %s', { timeout: 120_000 }, async (_, isNamed, outcome) => {
  const system = await AllInOne.start(isNamed ? { NODE_EXTRA_CA_CERTS: join(directory, 'ca.crt') } : {});
  try {
    const demo = await RestClient.create(system.urls, 'demo', 'demo-secret');
    const events = '/client/12/agent/local/136/event/';
    const made = await demo.api('POST', events, { url, event_type: 'agent-login', method: 'POST' });
    const test = await demo.api('POST', `${events}${(made.json as { id: number }).id}/test`);
    expect(test.json).toMatchObject(outcome);
  } finally {
    await system.remove();
  }
});
