import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NO_BROWSER } from '../support/browser.js';
import { eventually } from '../support/poll.js';
import { ConsoleFixture, PAGE_TIMEOUT_MS, reportOf } from './console.js';

/** Everything that a mouse does, without one. */
describe.skipIf(NO_BROWSER)('the keyboard alone', { timeout: 180_000 }, () => {
  let fixture: ConsoleFixture;
  let page: Page;

  beforeAll(async () => {
    fixture = await ConsoleFixture.start();
    await fixture.platform.telemetry([1001, 1004].map((id) => reportOf(id, 'available')));
    page = await fixture.open({ path: '/board?sort=name' });
  }, 120_000);

  afterAll(() => fixture.stop());

  /** What has the focus, as a screen reader would name it. */
  const focused = (): Promise<string> =>
    page.evaluate(() => {
      const { activeElement: element } = document;
      return (element?.getAttribute('aria-label') ?? element?.textContent ?? '').trim();
    });

  const expectFocus = (name: string): Promise<unknown> =>
    eventually(
      `the focus is on ${name}`,
      async () => {
        const found = await focused();
        if (found !== name) throw new Error(found);
        return true;
      },
      PAGE_TIMEOUT_MS,
    );

  async function press(...keys: readonly string[]): Promise<void> {
    for (const key of keys) await page.keyboard.press(key);
  }

  it('signs in', async () => {
    await page.getByRole('button', { name: 'Continue with the demo application' }).waitFor();
    const order: string[] = [];
    for (let step = 0; step < 4; step += 1) {
      await press('Tab');
      order.push(
        await page.evaluate(
          () => (document.activeElement as HTMLInputElement).name || (document.activeElement?.textContent ?? ''),
        ),
      );
    }
    expect(order).toEqual(['id', 'secret', 'Sign in', 'Continue with the demo application']);
    await press('Enter');
    await page.locator('[data-row]').first().waitFor();
  });

  it('leads from the top of the page to its content, in the order that it is read', async () => {
    const order: string[] = [];
    await page.evaluate(() => (document.activeElement as HTMLElement).blur());
    for (let step = 0; step < 9; step += 1) {
      await press('Tab');
      order.push(await focused());
    }
    expect(order).toEqual([
      'Skip to the content',
      'Rollcall, overview',
      'Overview',
      'Board',
      'Agent events',
      'Deliveries',
      'Playground',
      expect.stringContaining('demo'),
      'Wall view',
    ]);
  });

  it('moves through a list as one stop, opens a row and comes back', async () => {
    await press('j');
    await expectFocus('000*094@ringme.ru');
    await press('ArrowDown');
    await expectFocus('1001*094@ringme.ru');
    await press('End');
    await expectFocus('1004*094@ringme.ru');
    await press('k');
    await expectFocus('1001*094@ringme.ru');
    await press('Home');
    await expectFocus('000*094@ringme.ru');
    await press('Enter');
    await page.getByRole('heading', { name: '000*094@ringme.ru' }).waitFor();
    await expectFocus('000*094@ringme.ru');
    await press('Escape');
    await page.getByRole('heading', { name: 'Board' }).waitFor();
  });

  it('goes to every page by two keys, with the focus on its heading', async () => {
    for (const [key, name] of [
      ['e', 'Agent events'],
      ['d', 'Deliveries'],
      ['p', 'Playground'],
      ['o', 'Overview'],
      ['b', 'Board'],
    ] as const) {
      await press('g', key);
      await page.getByRole('heading', { name, exact: true }).waitFor();
      await expectFocus(name);
    }
  });

  it('searches, and types nothing else meanwhile', async () => {
    await press('/');
    await page.keyboard.type('gb 1001');
    expect(await page.getByRole('searchbox').inputValue()).toBe('gb 1001');
    await page.getByText('No agent matches.').waitFor();
    await page.getByRole('searchbox').fill('1001');
    await page.getByRole('link', { name: '1001*094@ringme.ru' }).waitFor();
    await press('Escape');
  });

  it('adds an agent event in a dialog that keeps the focus, and gives it back', async () => {
    await press('g', 'e');
    await page.getByRole('heading', { name: 'Agent events' }).waitFor();
    const opener = page.getByRole('button', { name: 'Add an agent event' });
    await opener.focus();
    await press('Enter');
    const dialog = page.getByRole('dialog');
    await dialog.waitFor();
    for (let step = 0; step < 12; step += 1) {
      await press('Tab');
      const inside = await page.evaluate(
        () => document.activeElement === document.body || document.querySelector('dialog')?.contains(document.activeElement),
      );
      expect(inside).toBe(true);
    }
    await press('Escape');
    await dialog.waitFor({ state: 'detached' });
    await expectFocus('Add an agent event');
    await press('n');
    await dialog.getByLabel('Url').fill(`${fixture.product.receiverUrl}/keys`);
    await press('Enter');
    await page.getByRole('link', { name: 'Login of every agent' }).waitFor();
  });

  it('picks a moment of an agent’s day', async () => {
    await fixture.go(page, '/agents/local/1001');
    const slider = page.getByRole('slider');
    await slider.focus();
    await press('ArrowLeft');
    await page.getByRole('region', { name: 'Explanation' }).waitFor();
    expect(new URL(page.url()).searchParams.has('at')).toBe(true);
  });

  it('lists the keys, and can have them turned off', async () => {
    await page.evaluate(() => (document.activeElement as HTMLElement).blur());
    await press('?');
    await page.getByRole('dialog', { name: 'Keyboard' }).waitFor();
    await press('Escape');
    await page.getByRole('button', { name: /^demo/ }).click();
    await page.getByLabel('Single-key shortcuts').uncheck();
    await press('Escape');
    await page.evaluate(() => (document.activeElement as HTMLElement).blur());
    await press('?', 'g', 'b');
    expect(await page.getByRole('dialog').count()).toBe(0);
    expect(new URL(page.url()).pathname).toContain('/agents/');
  });
});
