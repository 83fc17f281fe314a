import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AllInOne } from '../support/all-in-one.js';
import { NO_BROWSER, startBrowser } from '../support/browser.js';
import { OpenIdIssuer } from '../support/openid-issuer.js';
import { PAGE_TIMEOUT_MS } from './console.js';

const AUDIENCE = 'https://rollcall.test/api';

describe.skipIf(NO_BROWSER)('signing in at an issuer', { timeout: 240_000 }, () => {
  let issuer: OpenIdIssuer;
  let product: AllInOne;
  let browser: Browser;

  beforeAll(async () => {
    browser = await startBrowser();
    issuer = await OpenIdIssuer.start([]);
    product = await AllInOne.start({
      OIDC_ISSUER: issuer.url,
      OIDC_AUDIENCE: AUDIENCE,
      OIDC_CONSOLE_CLIENT_ID: 'console',
    });
    await issuer.down();
    issuer.signInFor({
      id: 'console',
      redirectUri: `${product.urls.subscriptionApi}/console/`,
      claims: { rollcall_client_id: 12, rollcall_access: 'all' },
    });
    await issuer.up();
  }, 120_000);

  afterAll(async () => {
    await browser?.close();
    await product?.remove();
    await issuer?.down();
  });

  async function open(): Promise<{ readonly page: Page; readonly problems: string[] }> {
    const context = await browser.newContext();
    context.setDefaultTimeout(PAGE_TIMEOUT_MS);
    const page = await context.newPage();
    const problems: string[] = [];
    page.on('pageerror', (error) => problems.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error') problems.push(message.text());
    });
    await page.goto(`${product.urls.subscriptionApi}/console/events`);
    return { page, problems };
  }

  async function openWindow(page: Page): Promise<Page> {
    const [popup] = await Promise.all([
      page.waitForEvent('popup'),
      page.getByRole('button', { name: `Sign in at ${new URL(issuer.url).host}` }).click(),
    ]);
    return popup;
  }

  async function signIn(popup: Page): Promise<void> {
    await popup.locator('input[name=login]').fill('anna');
    await popup.locator('input[name=password]').fill('any');
    await popup.getByRole('button', { name: 'Sign-in' }).click();
    const closed = popup.waitForEvent('close');
    await popup.getByRole('button', { name: 'Continue' }).click();
    await closed;
  }

  it('happens in a window of the issuer’s, and leads to where one was', async () => {
    const { page, problems } = await open();
    await signIn(await openWindow(page));
    await page.getByRole('heading', { name: 'Agent events' }).waitFor();
    await page.getByRole('button', { name: /client 12/ }).click();
    await page.getByText('access all').waitFor();
    expect(page.url()).not.toMatch(/code=|state=/);
    expect(await page.evaluate(() => [window.localStorage.length, window.sessionStorage.length])).toEqual([0, 0]);
    expect(problems).toEqual([]);
    await page.context().close();
  });

  it('opens no window by itself where a token ends that cannot be renewed', async () => {
    const { page } = await open();
    await page.route(`${issuer.url}/token`, async (route) => {
      const response = await route.fetch();
      const answer = (await response.json()) as object;
      // To be renewed with every request.
      await route.fulfill({ response, json: { ...answer, expires_in: 0, refresh_token: undefined } });
    });
    await signIn(await openWindow(page));
    await page.getByRole('heading', { name: 'Agent events' }).waitFor();
    await page.evaluate(() => {
      Object.assign(window, { opened: 0, open: () => ((window as unknown as { opened: number }).opened += 1) && null });
    });
    // What is read goes on being read with the token that is there.
    const read = page.waitForResponse(/\/delivery\//);
    await page.getByRole('link', { name: 'Deliveries' }).click();
    expect((await read).status()).toBe(200);
    await page.getByText('No deliveries yet').waitFor();
    expect(await page.evaluate(() => (window as unknown as { opened: number }).opened)).toBe(0);
    await page.context().close();
  });

  it('says that the window was closed, and can be tried again', async () => {
    const { page } = await open();
    const popup = await openWindow(page);
    await popup.locator('input[name=login]').waitFor();
    await popup.close();
    await page.getByText('The window was closed before you had signed in.').waitFor();
    await (await openWindow(page)).locator('input[name=login]').waitFor();
    await page.context().close();
  });

  it('says what the issuer said where it refuses', async () => {
    const { page } = await open();
    const popup = await openWindow(page);
    await popup.locator('input[name=login]').waitFor();
    await popup.getByRole('link', { name: 'Cancel' }).click();
    await page.getByRole('alert').waitFor();
    expect(await page.getByRole('alert').innerText()).toMatch(/aborted|denied|cancel/i);
    await page.context().close();
  });
});
