import { setTimeout as delay } from 'node:timers/promises';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NO_BROWSER } from '../support/browser.js';
import { eventually } from '../support/poll.js';
import { ConsoleFixture, IS_LONG, PAGE_TIMEOUT_MS, reportOf } from './console.js';

const AGENTS = IS_LONG ? 10_000 : 2000;
const SECONDS = IS_LONG ? 10 : 2;
const CHANGES_A_SECOND = IS_LONG ? 200 : 50;
const TICK_MS = 100;
const BATCH = 500;
const FIRST_ID = 1000;
/** Changes of which it is measured how long they take to the screen. */
const SAMPLES = IS_LONG ? 40 : 10;

/** The value that a share of values is below. */
function percentile(values: readonly number[], share: number): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length * share)] ?? 0;
}

describe.skipIf(NO_BROWSER)('the board', { timeout: IS_LONG ? 300_000 : 120_000 }, () => {
  let fixture: ConsoleFixture;

  beforeAll(async () => {
    fixture = await ConsoleFixture.start();
    for (let from = FIRST_ID; from < FIRST_ID + AGENTS; from += BATCH) {
      const count = Math.min(BATCH, FIRST_ID + AGENTS - from);
      await fixture.platform.telemetry(Array.from({ length: count }, (_, index) => reportOf(from + index, 'available')));
    }
  }, 300_000);

  afterAll(() => fixture.stop());

  const figure = (page: Page, name: RegExp): Promise<number> =>
    page
      .getByRole('button', { name })
      .locator('.tile-figure')
      .innerText()
      .then((text) => Number(text.replace(/\D/g, '')));

  async function countsOfApi(): Promise<{ readonly available: number; readonly loggedOut: number }> {
    const { json } = await fixture.demo.api('GET', '/client/@me/agent_status/summary');
    const summary = json as { available: number; logged_out: number };
    return { available: summary.available, loggedOut: summary.logged_out };
  }

  async function expectCountsOfApi(page: Page): Promise<void> {
    await eventually(
      'the counts of the page are those of the API',
      async () => {
        const { available, loggedOut } = await countsOfApi();
        return (await figure(page, /^Available/)) === available && (await figure(page, /^Logged out/)) === loggedOut;
      },
      PAGE_TIMEOUT_MS,
    );
  }

  it('shows every agent, and each change as it comes, none lost and none twice', async () => {
    const page = await fixture.openSignedIn({ path: '/board', reducedMotion: false });
    await page.getByText('Live', { exact: true }).waitFor();
    await expectCountsOfApi(page);
    await page.evaluate(() => {
      const frames: number[] = [];
      Object.assign(window, { frames });
      let last = performance.now();
      const frame = (): void => {
        const now = performance.now();
        frames.push(now - last);
        last = now;
        requestAnimationFrame(frame);
      };
      requestAnimationFrame(frame);
    });
    let sent = 0;
    const begin = Date.now();
    for (let tick = 0; tick < (SECONDS * 1000) / TICK_MS; tick += 1) {
      const count = (CHANGES_A_SECOND * TICK_MS) / 1000;
      const status = tick % 2 === 0 ? 'logged_out' : 'available';
      const from = FIRST_ID + Math.floor(tick / 2) * count;
      await fixture.platform.telemetry(Array.from({ length: count }, (_, index) => reportOf(from + index, status)));
      sent += count;
      // A load of so many a second, not as many as go.
      await delay(Math.max(0, begin + (tick + 1) * TICK_MS - Date.now()));
    }
    await expectCountsOfApi(page);
    const frames = await page.evaluate(() => (window as unknown as { frames: number[] }).frames);
    const at = (share: number): string => percentile(frames, share).toFixed(1);
    // Told, not asserted: how fast a frame is says more of the machine than of the console.
    process.stderr.write(
      `board: ${AGENTS} agents, ${sent} changes in ${Date.now() - begin} ms; frames p50 ${at(0.5)} p95 ${at(0.95)} p99 ${at(0.99)} worst ${at(0.9999)} ms\n`,
    );
    await fixture.expectWellBehaved(page);
  });

  it('is there soon, and shows a change soon', async () => {
    const page = await fixture.open({ path: '/board' });
    const enter = page.getByRole('button', { name: 'Continue with the demo application' });
    await enter.waitFor();
    const began = Date.now();
    await enter.click();
    await page.locator('.agent-row [data-row]').first().waitFor();
    const firstRows = Date.now() - began;
    await page.getByText('Live', { exact: true }).waitFor();
    const live = Date.now() - began;
    const delays: number[] = [];
    for (let sample = 0; sample < SAMPLES; sample += 1) {
      const [status, word] = sample % 2 === 0 ? (['logged_out', 'Logged out'] as const) : (['available', 'Available'] as const);
      const seen = whenShown(page, FIRST_ID + AGENTS - 3, word);
      const sentAt = Date.now();
      await fixture.platform.telemetry([reportOf(FIRST_ID + AGENTS - 3, status)]);
      delays.push((await seen) - sentAt);
    }
    process.stderr.write(
      `board: ${AGENTS} agents; first rows ${firstRows} ms after signing in, live ${live} ms; a change on the screen p50 ${percentile(delays, 0.5)} p95 ${percentile(delays, 0.95)} ms\n`,
    );
  });

  /** When an agent's row shows a word, in milliseconds since the epoch. */
  function whenShown(page: Page, agent: number, word: string): Promise<number> {
    return page.evaluate(
      ([id, text]) =>
        new Promise<number>((resolve) => {
          const look = (): void => {
            if (!document.querySelector(`[data-agent="${id}"]`)?.textContent.includes(text)) return;
            observer.disconnect();
            resolve(Date.now());
          };
          const observer = new MutationObserver(look);
          observer.observe(document.body, { subtree: true, childList: true, characterData: true });
        }),
      [agent, word] as const,
    );
  }

  it('shows who was created, renamed and removed', async () => {
    const page = await fixture.openSignedIn({ path: '/board?q=*077' });
    await page.getByText('No agent matches.').waitFor();
    await fixture.demo.api('PUT', '/client/@me/agent/local/77', { extension_name: '077*077@ringme.ru' });
    await page.getByRole('link', { name: '077*077@ringme.ru' }).waitFor();
    await fixture.demo.api('PUT', '/client/@me/agent/local/77', { extension_name: 'renamed*077@ringme.ru' });
    await page.getByRole('link', { name: 'renamed*077@ringme.ru' }).waitFor();
    await fixture.demo.api('DELETE', '/client/@me/agent/local/77');
    await page.getByText('No agent matches.').waitFor();
  });

  it('stands still while it is held, counts what it misses, and goes on', async () => {
    const page = await fixture.openSignedIn({ path: '/board?type=local' });
    const first = page.locator('[data-index="0"] [data-row]');
    await first.waitFor();
    await page.getByText('Live', { exact: true }).waitFor();
    const name = await first.innerText();
    await page.keyboard.press('p');
    await page.getByRole('button', { name: /^Held/ }).waitFor();
    await fixture.platform.telemetry([
      reportOf(FIRST_ID + AGENTS - 2, 'logged_out'),
      reportOf(FIRST_ID + AGENTS - 1, 'logged_out'),
    ]);
    await page.getByRole('button', { name: /^Held ?2$/ }).waitFor();
    expect(await first.innerText()).toBe(name);
    await page.keyboard.press('p');
    await eventually('the order is the newest again', async () => (await first.innerText()) !== name, PAGE_TIMEOUT_MS);
  });

  it('says when the line is down, and misses nothing once it is back', async () => {
    const page = await fixture.openSignedIn({ path: '/board' });
    await page.getByText('Live', { exact: true }).waitFor();
    await page.context().setOffline(true);
    await fixture.product.process.stop('SIGKILL');
    await page.getByText(/^(Reconnecting|Not live)/).waitFor();
    await fixture.product.restart();
    await fixture.platform.telemetry([reportOf(FIRST_ID + 5, 'logged_out')]);
    await page.context().setOffline(false);
    // Not "read anew": the log goes on from where it was.
    await page.getByText('Live', { exact: true }).waitFor();
    await expectCountsOfApi(page);
    await fixture.expectWellBehaved(page, /ERR_|Failed to load resource/);
  });

  it('begins anew where the log is another one', async () => {
    const page = await fixture.open({ path: '/board' });
    let isFirst = true;
    await page.route('**/agent_status/stream', async (route) => {
      if (!isFirst) return route.continue();
      isFirst = false;
      const body = 'id: 1\nevent: reset\ndata: {"reason":"unknown_cursor"}\n\n';
      return route.fulfill({ status: 200, contentType: 'text/event-stream', body });
    });
    await page.getByRole('button', { name: 'Continue with the demo application' }).click();
    await page.getByText(/read anew at/).waitFor();
    await expectCountsOfApi(page);
  });

  it('fills a wall', async () => {
    const page = await fixture.openSignedIn();
    await fixture.go(page, '/board?view=wall&sort=name');
    await page.getByRole('list', { name: 'Agents' }).getByRole('listitem').first().waitFor();
    await page.getByRole('heading', { name: /of .* available/ }).waitFor();
    await page.getByRole('button', { name: 'Leave the wall view' }).click();
    await page.getByRole('table', { name: 'Agents' }).waitFor();
  });
});
