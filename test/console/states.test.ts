import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NO_BROWSER } from '../support/browser.js';
import { eventually } from '../support/poll.js';
import { ConsoleFixture, reportOf } from './console.js';

const APPLICATIONS = [
  { app_id: 'platform', secret: 'platform-secret', client_id: 12, access: 'platform' },
  { app_id: 'demo', secret: 'demo-secret', client_id: 12, access: 'all' },
  { app_id: 'new', secret: 'new-secret', client_id: 14, access: 'all' },
];

/** What a page shows of its own, where that comes from, and what stands there once it is read. */
interface Read {
  readonly path: string;
  /** Of the request. */
  readonly url: RegExp;
  /** As the beginning of a sentence. */
  readonly what: string;
  readonly ready: (page: Page) => Promise<unknown>;
}

const firstRow = (page: Page): Promise<unknown> => page.locator('[data-row]').first().waitFor();

/** The states that every page has, on the real product; what cannot be made there is made on the way to it. */
describe.skipIf(NO_BROWSER)('the states of a page', { timeout: 240_000 }, () => {
  let fixture: ConsoleFixture;
  let reads: readonly Read[];

  beforeAll(async () => {
    fixture = await ConsoleFixture.start({ BOOTSTRAP_APPS: JSON.stringify(APPLICATIONS) });
    const url = `${fixture.product.receiverUrl}/crm`;
    await fixture.demo.api('POST', '/client/@me/agent_events/', { url, event_type: 'agent-login', method: 'POST' });
    await fixture.platform.telemetry([reportOf(1000, 'available')]);
    const id = await eventually('a delivery', async () => {
      const { json } = await fixture.demo.api('GET', '/client/@me/delivery/?status=delivered');
      return (json as { id: string }[])[0]?.id;
    });
    const health = /\/agent_event_health\//;
    reads = [
      { path: '/', url: health, what: 'The agent events', ready: (page) => page.getByText('Everything arrives.').waitFor() },
      { path: '/board', url: /\/agent_status\/\?/, what: 'The agents', ready: firstRow },
      {
        path: '/agents/local/1000',
        url: /\/agent_status\/history/,
        what: 'The history',
        ready: (page) => page.getByRole('slider').waitFor(),
      },
      { path: '/events', url: health, what: 'The agent events', ready: firstRow },
      { path: '/events/1', url: health, what: 'The agent event', ready: (page) => page.getByText('Last 24 h').waitFor() },
      { path: '/deliveries', url: /\/delivery\/\?/, what: 'The deliveries', ready: firstRow },
      {
        path: `/deliveries/${id}`,
        url: new RegExp(`/delivery/${id}$`),
        what: 'The delivery',
        ready: (page) => page.getByRole('region', { name: 'Attempts' }).waitFor(),
      },
      {
        path: '/playground',
        url: /\/agent\/\?/,
        what: 'The agents',
        ready: (page) => page.getByRole('button', { name: 'Late report' }).first().waitFor(),
      },
    ];
  }, 120_000);

  afterAll(() => fixture.stop());

  async function as(app: string, path: string): Promise<Page> {
    const page = await fixture.open({ path });
    await fixture.signIn(page, app, `${app}-secret`);
    return page;
  }

  /** Answers a request in the product's place, until `over` is called. */
  async function answerWith(page: Page, url: RegExp, status: number, body: object, headers = {}): Promise<() => Promise<void>> {
    await page.route(url, (route) =>
      route.fulfill({ status, headers, contentType: 'application/json', body: JSON.stringify(body) }),
    );
    return () => page.unroute(url);
  }

  it('loading: bones of what is to come', async () => {
    for (const { path, url, ready } of reads) {
      const page = await fixture.open({ path });
      let go = (): void => undefined;
      const held = new Promise<void>((resolve) => (go = resolve));
      await page.route(url, async (route) => {
        await held;
        await route.continue().catch(() => undefined); // it was asked anew meanwhile
      });
      await fixture.signIn(page, 'demo', 'demo-secret');
      await page.locator('.bone').first().waitFor();
      go();
      await ready(page);
      await page.context().close();
    }
  });

  it('error: the API’s words, and another try', async () => {
    const page = await as('demo', '/nowhere');
    for (const { path, url, what, ready } of reads) {
      const over = await answerWith(page, url, 400, { message: 'No such luck', status: 'validation_error' });
      await fixture.go(page, path);
      const failure = page.getByRole('alert').filter({ hasText: `${what} could not be read. No such luck` });
      await failure.waitFor();
      await over();
      await failure.getByRole('button', { name: 'Try again' }).click();
      await ready(page);
      await fixture.go(page, '/nowhere');
      await page.getByText('There is no such page').waitFor();
    }
  });

  it('unreachable: goes on by itself', async () => {
    for (const { path, url, ready } of reads) {
      const page = await fixture.open({ path });
      let failures = 1;
      await page.route(url, (route) => (failures-- > 0 ? route.abort() : route.continue()));
      await fixture.signIn(page, 'demo', 'demo-secret');
      await ready(page);
      expect(failures).toBeLessThan(0);
      await page.context().close();
    }
  });

  it('rate limited: counts down, and goes on by itself', async () => {
    for (const { path, url, ready } of reads) {
      const page = await fixture.open({ path });
      const body = { message: 'Too many requests: try again in 2 s', status: 'rate_limit_exceeded' };
      const over = await answerWith(page, url, 429, body, { 'retry-after': '2' });
      await fixture.signIn(page, 'demo', 'demo-secret');
      await page
        .getByText(/Too many requests\. Going on in \d s\./)
        .first()
        .waitFor();
      await over();
      await ready(page);
      await page.context().close();
    }
  });

  it('no permission: which access is needed', async () => {
    for (const { path, url } of reads) {
      const page = await fixture.open({ path });
      await answerWith(page, url, 403, { message: 'Needs access all', status: 'app_access_type_deny' });
      await fixture.signIn(page, 'demo', 'demo-secret');
      await page.getByText('This needs an application with access all').first().waitFor();
      await page.context().close();
    }
  });

  it('empty: what will be there, and how it comes about', async () => {
    const page = await as('new', '/');
    for (const [path, words] of [
      ['/', 'There is no agent event yet'],
      ['/board', 'No agents yet. They appear'],
      ['/events', 'No agent events yet. Add one'],
      ['/deliveries', 'No deliveries yet. As soon as'],
      ['/playground', 'No agents yet.'],
    ] as const) {
      await fixture.go(page, path);
      await page.getByText(words).first().waitFor();
    }
  });

  it('empty by a filter, which is cleared', async () => {
    const page = await as('demo', '/');
    for (const [path, words] of [
      ['/board?q=nobody', 'No agent matches.'],
      ['/events?q=nobody', 'No agent event matches.'],
      ['/deliveries?status=failed&span=24h', 'No delivery matches.'],
    ] as const) {
      await fixture.go(page, path);
      await page.getByText(words).waitFor();
      await page.getByText('Clear filters').last().click();
      await firstRow(page);
      expect(new URL(page.url()).search).toBe('');
    }
  });

  it('gone: says so, and what there is still', async () => {
    const page = await as('demo', '/');
    for (const [path, words] of [
      ['/events/4000', /no such agent event, or it was deleted/],
      ['/deliveries/019ac000-0000-7000-8000-000000000000_1', /no such delivery/],
      ['/agents/local/4000', /This agent was deleted, or never was/],
      ['/nowhere', /There is no such page/],
    ] as const) {
      await fixture.go(page, path);
      await page.getByText(words).waitFor();
    }
  });

  it('stale: the figures lose their colour, and nothing says that it is now', async () => {
    const page = await as('demo', '/board');
    await page.getByText('Live', { exact: true }).waitFor();
    await page.route(/\/agent_status\/stream/, (route) => route.abort());
    await page.context().setOffline(true);
    await fixture.product.process.stop('SIGKILL');
    await page.getByText(/^Not live since/).waitFor();
    await page.locator('.stale').first().waitFor();
    await fixture.product.restart();
    await page.unroute(/\/agent_status\/stream/);
    await page.context().setOffline(false);
    await page.getByText('Live', { exact: true }).waitFor();
    await page.locator('.stale').first().waitFor({ state: 'detached' });
  });

  it('a part that could not be fetched is missing alone, until it can be', async () => {
    const page = await fixture.open({ path: '/board' });
    await page.route(/\/assets\/(chart|deliveries)-/, (route) => route.abort());
    await fixture.signIn(page, 'demo', 'demo-secret');
    await page.getByText('Live', { exact: true }).waitFor();
    const chart = page.getByRole('region', { name: 'Available agents' });
    await chart.getByText('The chart could not be read.').waitFor();
    await firstRow(page);
    await page.getByRole('link', { name: 'Deliveries' }).click();
    await page.getByText('The page could not be read.').waitFor();
    await page.unroute(/\/assets\/(chart|deliveries)-/);
    await page.getByRole('button', { name: 'Try again' }).click();
    await firstRow(page);
    await page.getByRole('link', { name: 'Board' }).click();
    await chart.locator('canvas').waitFor();
  });

  it('works on without the server for whatever is fetched already', async () => {
    const page = await as('demo', '/board');
    await page.getByText('Live', { exact: true }).waitFor();
    await eventually('everything is fetched', () =>
      page.evaluate(() => performance.getEntriesByType('resource').some(({ name }) => /\/assets\/playground-/.test(name))),
    );
    await page.context().setOffline(true);
    await page.getByRole('link', { name: 'Agent events' }).click();
    await page.getByRole('heading', { name: 'Agent events' }).waitFor();
    await page.context().setOffline(false);
    await firstRow(page);
  });
});
