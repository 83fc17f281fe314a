import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NO_BROWSER } from '../support/browser.js';
import { RestClient } from '../support/client.js';
import { eventually } from '../support/poll.js';
import { ConsoleFixture, reportOf } from './console.js';

const APPLICATIONS = [
  { app_id: 'platform', secret: 'platform-secret', client_id: 12, access: 'platform' },
  { app_id: 'demo', secret: 'demo-secret', client_id: 12, access: 'all' },
  { app_id: 'reader', secret: 'reader-secret', client_id: 12, access: 'call_api' },
  { app_id: 'other', secret: 'other-secret', client_id: 13, access: 'all' },
];
const MARKUP = '<img src=x onerror="window.injected=true">';
const BIDI = '\u202Eevil\u2066';
const LONG_WORD = 'w'.repeat(255);

describe.skipIf(NO_BROWSER)('what strangers wrote, and others’ data', { timeout: 180_000 }, () => {
  let fixture: ConsoleFixture;

  beforeAll(async () => {
    fixture = await ConsoleFixture.start({ BOOTSTRAP_APPS: JSON.stringify(APPLICATIONS) });
    const other = await RestClient.create(fixture.product.urls, 'other', 'other-secret');
    const receiver = fixture.product.receiverUrl;
    const add = (client: RestClient, path: string): Promise<unknown> =>
      client.api('POST', '/client/@me/agent_events/', { url: `${receiver}${path}`, event_type: 'agent-login', method: 'POST' });
    await add(fixture.demo, `/of-twelve?q=${encodeURIComponent(MARKUP)}`);
    await add(other, '/of-thirteen');
    const names = [MARKUP, BIDI, LONG_WORD];
    for (const [index, extension_name] of names.entries()) {
      await fixture.platform.telemetry({ ...reportOf(1001 + index * 3, 'available'), agent_type: 'local', extension_name });
    }
    const item = { agent_type: 'local', agent_status: 'available', event_source: 'api', client_id: '13' };
    await fixture.platform.telemetry({ ...item, agent_id: 1, extension_name: 'thirteen@secret' });
    await eventually('something arrived for both', async () => {
      const { json } = await other.api('GET', '/client/@me/delivery/?status=delivered');
      const { json: own } = await fixture.demo.api('GET', '/client/@me/delivery/?status=delivered');
      return (json as unknown[]).length === 1 && (own as unknown[]).length === 3;
    });
  }, 120_000);

  afterAll(() => fixture.stop());

  async function as(app: string, path = '/'): Promise<Page> {
    const page = await fixture.open({ path });
    await fixture.signIn(page, app, `${app}-secret`);
    return page;
  }

  it('is shown as text, and runs nowhere', async () => {
    const page = await as('demo', '/board?sort=name');
    await page.getByText(MARKUP).first().waitFor();
    for (const path of [
      '/events',
      '/deliveries',
      '/playground',
      '/agents/local/1001',
      '/agents/local/1007',
      '/board?view=wall',
    ]) {
      await fixture.go(page, path);
      await page
        .getByText(/onerror|wwww/)
        .first()
        .waitFor();
      expect(await page.evaluate(() => [document.querySelectorAll('img').length, 'injected' in window])).toEqual([0, false]);
      expect(await page.evaluate(() => document.documentElement.scrollWidth <= document.documentElement.clientWidth)).toBe(true);
    }
    await fixture.expectWellBehaved(page, /status of 404/);
  });

  it('keeps two clients apart on every page', async () => {
    const page = await as('other', '/board');
    await page.getByRole('link', { name: 'thirteen@secret' }).waitFor();
    for (const [path, own] of [
      ['/board', 'thirteen@secret'],
      ['/events', 'of-thirteen'],
      ['/deliveries', 'of-thirteen'],
      ['/playground', 'of-thirteen'],
    ] as const) {
      await fixture.go(page, path);
      await page.getByText(own).first().waitFor();
      expect(await page.locator('body').innerText()).not.toMatch(/of-twelve|onerror/);
    }
    await fixture.go(page, '/agents/local/1001');
    await page.getByText('Deleted', { exact: true }).waitFor();
    expect(await page.locator('body').innerText()).not.toContain('onerror');
  });

  it('does not offer what the access level lacks', async () => {
    const page = await as('reader');
    await page.getByRole('button', { name: /reader/ }).click();
    await page.getByText('access call_api').waitFor();
    expect(await page.getByRole('button', { name: /Signing secret/ }).count()).toBe(0);
    await page.keyboard.press('Escape');
    await fixture.go(page, '/playground');
    await page.getByText('This needs an application with access').waitFor();
    // Agent events are the application's own business, whatever its level.
    await fixture.go(page, '/events');
    await page.getByRole('button', { name: 'Add an agent event' }).waitFor();
  });

  it('leaves no secret and no token where somebody could find it', async () => {
    const page = await as('demo', '/deliveries');
    await page.locator('[data-row]').first().waitFor();
    const seen = `${page.url()} ${await page.content()}`;
    expect(seen).not.toContain('demo-secret');
    expect(seen).not.toMatch(/eyJ[\w-]+\.eyJ/);
    await fixture.expectWellBehaved(page, /status of 404/);
  });

  it('lets a platform application look at another client', async () => {
    const page = await as('platform', '/board');
    await page.getByRole('button', { name: /platform/ }).click();
    await page.getByRole('button', { name: 'Switch client …' }).click();
    await page.getByRole('button', { name: /^Client 13/ }).click();
    await page.getByRole('link', { name: 'thirteen@secret' }).waitFor();
    expect(await page.locator('body').innerText()).not.toContain('onerror');
  });
});
