import { copyFile, mkdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NO_BROWSER } from '../support/browser.js';
import { eventually } from '../support/poll.js';
import { ConsoleFixture, IS_LONG, PAGE_TIMEOUT_MS, reportOf, type Look } from './console.js';

const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
/** Whether to write what is seen: all to `.cache/console`, and what the README shows to `docs/console`. */
const WRITES = process.env['CONSOLE_SCREENSHOTS'] === '1';
const ALL = join(process.cwd(), '.cache', 'console');
const DOCS = join(process.cwd(), 'docs', 'console');

interface Finding {
  readonly id: string;
  readonly nodes: readonly { readonly html: string; readonly failureSummary?: string }[];
}

/** Every address, and what stands there once it is read. */
const PAGES: readonly (readonly [name: string, path: string, ready: (page: Page) => Promise<unknown>])[] = [
  ['overview', '/', (page) => page.locator('.chart canvas').waitFor()],
  [
    'board',
    '/board',
    (page) => Promise.all([page.locator('.agent-row [data-row]').first().waitFor(), page.locator('.chart canvas').waitFor()]),
  ],
  ['board-empty', '/board?q=nobody', (page) => page.getByText('No agent matches.').waitFor()],
  ['wall', '/board?view=wall', (page) => page.getByRole('listitem').first().waitFor()],
  ['agent', '/agents/local/136', (page) => page.getByRole('slider').waitFor()],
  [
    'explanation',
    '/agents/local/136',
    async (page) => {
      await page.getByRole('region', { name: 'History' }).getByRole('button').first().click();
      await page.getByRole('region', { name: 'Explanation' }).getByText('Attempts', { exact: true }).waitFor();
    },
  ],
  ['events', '/events', (page) => page.locator('.event-row [data-row]').first().waitFor()],
  ['event', '/events/1', (page) => page.getByText('Last 24 h').waitFor()],
  ['event-gone', '/events/4000', (page) => page.getByText(/no such agent event/).waitFor()],
  ['event-form', '/events?add=1', (page) => page.getByRole('dialog').waitFor()],
  ['deliveries', '/deliveries', (page) => page.locator('.delivery-row [data-row]').first().waitFor()],
  [
    'deliveries-filtered',
    '/deliveries?status=delivered&span=24h',
    async (page) => {
      await page.locator('.delivery-row [data-row]').first().waitFor();
      const opener = page.getByRole('button', { name: /^Filters/ });
      if (await opener.isVisible()) await opener.click();
      await page.getByRole('combobox', { name: 'Time' }).waitFor();
    },
  ],
  ['delivery', 'newest', (page) => page.getByRole('region', { name: 'Attempts' }).waitFor()],
  ['playground', '/playground', (page) => page.getByText('Signature good').first().waitFor()],
  ['nothing', '/nowhere', (page) => page.getByText('There is no such page').waitFor()],
];
/** The quick form looks at two; the long one at all. */
const LOOKS: readonly Look[] =
  IS_LONG || WRITES
    ? [390, 768, 1440].flatMap((width) => [
        { width, scheme: 'light' as const },
        { width, scheme: 'dark' as const },
      ])
    : [
        { width: 1440, scheme: 'light' },
        { width: 390, scheme: 'dark' },
      ];
/** Those that the README shows. */
const SHOWN = new Set(['overview', 'board', 'explanation', 'event', 'deliveries', 'delivery', 'playground']);

describe.skipIf(NO_BROWSER)('every page', { timeout: IS_LONG ? 600_000 : 240_000 }, () => {
  let fixture: ConsoleFixture;
  let newest: string;

  beforeAll(async () => {
    fixture = await ConsoleFixture.start();
    const url = `${fixture.product.receiverUrl}/crm/agents`;
    for (const event_type of ['agent-login', 'agent-logout']) {
      await fixture.demo.api('POST', '/client/@me/agent_events/', { url, event_type, method: 'POST' });
    }
    await fixture.demo.api('POST', '/client/@me/agent/local/136/event/', {
      url: 'http://127.0.0.1:9/nobody-listens',
      event_type: 'agent-login',
      method: 'GET',
    });
    const ids = [...Array.from({ length: 40 }, (_, index) => 1000 + index)];
    await fixture.platform.telemetry(ids.map((id) => reportOf(id, 'available')));
    await fixture.platform.telemetry(ids.filter((id) => id % 5 === 0).map((id) => reportOf(id, 'logged_out')));
    await fixture.platform.telemetry({
      client_id: '12',
      agent_type: 'local',
      agent_id: 136,
      agent_status: 'available',
      event_source: 'phone',
    });
    newest = await eventually('a delivery with an attempt', async () => {
      const { json } = await fixture.demo.api('GET', '/client/@me/delivery/?status=delivered&per_page=1');
      return (json as { id: string }[])[0]?.id;
    });
  }, 120_000);

  afterAll(() => fixture.stop());

  async function show(page: Page, path: string, ready: (page: Page) => Promise<unknown>): Promise<void> {
    await fixture.go(page, path === 'newest' ? `/deliveries/${newest}` : path);
    await ready(page);
  }

  async function findings(page: Page): Promise<Finding[]> {
    return page.evaluate(async () => {
      const { axe } = window as unknown as { axe: { run(options: unknown): Promise<{ violations: Finding[] }> } };
      const { violations } = await axe.run({ resultTypes: ['violations'] });
      return violations.map(({ id, nodes }) => ({
        id,
        nodes: nodes.map(({ html, failureSummary = '' }) => ({ html: html.slice(0, 200), failureSummary })),
      }));
    });
  }

  async function withAxe(page: Page): Promise<void> {
    // As the browser's own tools do it: not by a script of the page, which its policy would refuse.
    const { readFile } = await import('node:fs/promises');
    await page.evaluate(await readFile(AXE, 'utf8'));
  }

  it.each(LOOKS)('has nothing that axe finds, nor scrolls sideways, at $width in $scheme', async (look) => {
    const page = await fixture.openSignedIn(look);
    await withAxe(page);
    await page.mouse.move(0, 0); // nothing is pointed at
    if (WRITES) await mkdir(ALL, { recursive: true });
    const found: Record<string, unknown> = {};
    for (const [name, path, ready] of PAGES) {
      await show(page, path, ready);
      const violations = await findings(page);
      if (violations.length > 0) found[name] = violations;
      const { scrollWidth: wide, clientWidth: client } = await page.evaluate(() => {
        const { scrollWidth, clientWidth } = document.documentElement;
        return { scrollWidth, clientWidth };
      });
      if (wide > client) found[`${name}, sideways`] = [wide, client];
      if (WRITES) {
        const file = `${name}-${look.width}-${look.scheme}.png`;
        await page.screenshot({ path: join(ALL, file) });
        if (SHOWN.has(name) && look.width !== 768) await copyFile(join(ALL, file), join(DOCS, file));
      }
      if (name === 'event-form') await page.keyboard.press('Escape');
    }
    expect(found).toEqual({});
    await fixture.expectWellBehaved(page, /status of 404/);
  });

  it('would be told of a fault', async () => {
    const page = await fixture.open();
    await withAxe(page);
    await page.evaluate(() => document.body.append(document.createElement('button')));
    expect((await findings(page)).map(({ id }) => id)).toContain('button-name');
  });

  it('has nothing that axe finds on the way in', async () => {
    const page = await fixture.open();
    await page.getByRole('button', { name: 'Continue with the demo application' }).waitFor();
    await withAxe(page);
    expect(await findings(page)).toEqual([]);
  });

  it.each([
    ['320 px', { width: 320, height: 640 }],
    ['forced colours', { width: 1440, forcedColors: true }],
    ['200 % zoom', { width: 720, height: 450 }],
  ] as const)('can be read at %s', async (_name, look) => {
    const page = await fixture.openSignedIn(look);
    const sideways: string[] = [];
    for (const [name, path, ready] of PAGES) {
      await show(page, path, ready);
      if (await page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth))
        sideways.push(name);
      if (name === 'event-form') await page.keyboard.press('Escape');
    }
    expect(sideways).toEqual([]);
  });

  it('says what failed, in the API’s words, and goes on by itself after too many requests', async () => {
    const page = await fixture.openSignedIn();
    await page.route('**/agent_event_health/**', (route) =>
      route.fulfill({
        status: 400,
        contentType: 'application/json',
        body: '{"message":"No such luck","status":"validation_error"}',
      }),
    );
    await fixture.go(page, '/events');
    await page.getByText('No such luck').waitFor();
    await page.unroute('**/agent_event_health/**');
    await page.getByRole('button', { name: 'Try again' }).click();
    await page.locator('[data-row]').first().waitFor();

    let refusals = 1;
    await page.route('**/api/ver1.0/client/*/delivery/?**', (route) => {
      if (refusals-- <= 0) return route.continue();
      const body = '{"message":"Too many requests: try again in 2 s","status":"rate_limit_exceeded"}';
      return route.fulfill({ status: 429, headers: { 'retry-after': '2' }, contentType: 'application/json', body });
    });
    await fixture.go(page, '/deliveries');
    await page.getByText(/Too many requests\. Going on in \d s\./).waitFor();
    await page.locator('[data-row]').first().waitFor();
  });

  it('asks to sign in again where the session has ended, and comes back to where one was', async () => {
    const page = await fixture.openSignedIn({ path: '/events' });
    await page.locator('[data-row]').first().waitFor();
    await page.route('**/api/ver1.0/**', (route) =>
      route.fulfill({ status: 401, contentType: 'application/json', body: '{"message":"Unauthorized","status":"unauthorized"}' }),
    );
    await fixture.go(page, '/deliveries?status=delivered');
    await page.getByText('Your session has ended. Sign in again.').waitFor();
    await page.unroute('**/api/ver1.0/**');
    await page.getByRole('button', { name: 'Continue with the demo application' }).click();
    await page.getByRole('heading', { name: 'Deliveries' }).waitFor();
    expect(new URL(page.url()).search).toBe('?status=delivered');
  });

  it('filters the deliveries by what its fields say, also after going back', async () => {
    const since = '2020-01-01T00:00:00.000Z';
    const page = await fixture.openSignedIn({ path: `/deliveries?since=${since}` });
    const agent = page.getByLabel('Agent, id');
    await agent.fill('12a');
    expect(await agent.inputValue()).toBe('12');
    await eventually('it is filtered by', () => page.url().includes('agent=12'), PAGE_TIMEOUT_MS);
    const read = page.waitForRequest(/\/delivery\/\?.*agent_id=7\b/);
    await fixture.go(page, `/deliveries?agent=7&since=${since}`);
    await read;
    await agent.blur();
    await eventually('it says what is filtered by', async () => (await agent.inputValue()) === '7', PAGE_TIMEOUT_MS);
    const from = page.getByLabel('Since');
    await from.fill('');
    await eventually('it is not filtered by', () => !page.url().includes('since='), PAGE_TIMEOUT_MS);
    expect(await from.isVisible()).toBe(true);
    await page.getByText('Clear filters').first().click();
    await from.waitFor({ state: 'detached' });
    await eventually('it says nothing', async () => (await agent.inputValue()) === '', PAGE_TIMEOUT_MS);
  });
});
