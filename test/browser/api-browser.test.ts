import type { Browser, Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AllInOne } from '../support/all-in-one.js';
import { NO_BROWSER, startBrowser } from '../support/browser.js';

/** Generous: the machine may be busy with the rest of the tests. */
const SLOW = 120_000;

describe.skipIf(NO_BROWSER)('the API browser in a real one', () => {
  let system: AllInOne;
  let browser: Browser;
  let page: Page;
  const problems: string[] = [];

  beforeAll(async () => {
    [system, browser] = await Promise.all([AllInOne.start(), startBrowser()]);
    page = await browser.newPage();
    page.setDefaultTimeout(60_000);
    page.on('pageerror', (error) => problems.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error' && !/status of 40\d/.test(message.text())) problems.push(message.text());
    });
    await page.goto(`${system.urls.subscriptionApi}/api/docs`);
  }, SLOW);

  afterAll(async () => {
    await browser?.close();
    await system?.remove();
  });

  /** Sends an operation as it is filled in. */
  async function send(operation: Locator): Promise<{ status: number; body: string }> {
    const body = operation.locator('.opblock-body');
    if (!(await body.isVisible())) await operation.locator('.opblock-summary-control').click();
    const clear = operation.getByRole('button', { name: 'Clear' });
    if (await clear.isVisible()) await clear.click(); // so that the next answer is the new one
    await operation.getByRole('button', { name: 'Execute' }).click();
    const answer = operation.locator('.live-responses-table tbody tr').first();
    await answer.waitFor();
    return {
      status: Number.parseInt(await answer.locator('.response-col_status').innerText(), 10),
      body: await answer.locator('.response-col_description').innerText(),
    };
  }

  const execute = (summary: string) => send(page.locator('.opblock', { hasText: summary }).first());

  it('has our name at its top, and names the demo applications', async () => {
    expect(await page.locator('header').innerText()).toMatch(/^Rollcall/);
    expect(await page.locator('.info').innerText()).toContain('platform-secret');
    expect(await page.title()).toBe('Rollcall API');
  });

  it('says that a secret is wrong, and takes the right one next, by Enter', { timeout: SLOW }, async () => {
    await page.getByRole('button', { name: 'Authorize' }).first().click();
    const dialog = page.locator('.dialog-ux');
    expect(await dialog.locator('.auth-container').count()).toBe(1); // one way to authorize
    const secret = dialog.locator('input[type=password]');
    expect(await secret.inputValue()).toBe('platform-secret');
    await secret.fill('wrong');
    await secret.press('Enter');
    await dialog.locator('.errors', { hasText: 'client_secret is wrong' }).waitFor();
    await secret.fill('platform-secret');
    await secret.press('Enter');
    await dialog.locator('button', { hasText: 'Logout' }).waitFor();
    await dialog.locator('button', { hasText: 'Close' }).click();
  });

  it('adds an agent event, logs the agent in, and shows the delivery, as it is filled in', { timeout: SLOW }, async () => {
    expect((await execute('Add an agent event')).status).toBe(201);
    const report = await execute('Report what agents do');
    expect([report.status, report.body]).toEqual([200, expect.stringContaining('"changed"')]);
    await expect
      .poll(async () => (await execute('The deliveries of an agent event')).body, { timeout: 60_000 })
      .toContain('"delivered"');
    expect((await execute('A delivery, with every attempt')).status).toBe(200);
  });

  // Every operation, one after the other: a minute.
  it.runIf(process.env['BROWSER'] === 'long')('works from top to bottom as it is filled in', { timeout: 600_000 }, async () => {
    const answers: [operation: string, status: number][] = [];
    for (const operation of await page.locator('.opblock').all()) {
      const name = await operation.locator('.opblock-summary').innerText();
      answers.push([name, (await send(operation)).status]);
      await operation.locator('.opblock-summary-control').click();
    }
    expect(answers.length).toBeGreaterThan(40);
    expect(answers.filter(([, status]) => !(status >= 200 && status < 300))).toEqual([]);
  });

  it('ends a stream', { timeout: SLOW }, async () => {
    const stream = await execute('Status changes and changes of the directory as they happen');
    expect([stream.status, stream.body]).toEqual([200, expect.stringContaining('this page ends a stream')]);
  });

  it('has nothing to complain about', () => {
    expect(problems).toEqual([]);
  });
});
