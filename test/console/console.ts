import type { Browser, BrowserContext, Page } from 'playwright-core';
import { expect } from 'vitest';
import { AllInOne } from '../support/all-in-one.js';
import { startBrowser } from '../support/browser.js';
import { RestClient } from '../support/client.js';

/** Longest that something on a page is waited for, in milliseconds: machines of tests are busy. */
export const PAGE_TIMEOUT_MS = 30_000;

/** Whether the long form is asked for: `npm run test:console`. */
export const IS_LONG = process.env['CONSOLE_TESTS'] === 'long';

export interface Look {
  readonly width?: number;
  readonly height?: number;
  readonly scheme?: 'light' | 'dark';
  readonly path?: string;
  readonly forcedColors?: boolean;
  readonly reducedMotion?: boolean;
}

/** What a page must never do, collected while it is used. */
interface Offences {
  readonly foreign: string[];
  readonly errors: string[];
}

/** The console of a real all-in-one in a real browser. */
export class ConsoleFixture {
  private readonly contexts: BrowserContext[] = [];
  private readonly offences = new Map<Page, Offences>();

  private constructor(
    readonly product: AllInOne,
    readonly demo: RestClient,
    readonly platform: RestClient,
    private readonly browser: Browser,
  ) {}

  static async start(environment: Readonly<Record<string, string>> = {}): Promise<ConsoleFixture> {
    const browser = await startBrowser();
    try {
      const product = await AllInOne.start({ RATE_LIMIT: 'off', ...environment });
      const demo = await RestClient.create(product.urls, 'demo', 'demo-secret');
      const platform = await RestClient.create(product.urls, 'platform', 'platform-secret');
      return new ConsoleFixture(product, demo, platform, browser);
    } catch (error) {
      await browser.close();
      throw error;
    }
  }

  async stop(): Promise<void> {
    await this.browser.close();
    await this.product.remove();
  }

  get url(): string {
    return this.product.urls.subscriptionApi;
  }

  /** Opens an address of the console, not signed in. */
  async open(look: Look = {}): Promise<Page> {
    const { width = 1440, height = 900, scheme = 'light', path = '/', forcedColors = false, reducedMotion = true } = look;
    const context = await this.browser.newContext({
      viewport: { width, height },
      colorScheme: scheme,
      forcedColors: forcedColors ? 'active' : 'none',
      reducedMotion: reducedMotion ? 'reduce' : 'no-preference',
      locale: 'en-GB',
    });
    this.contexts.push(context);
    context.setDefaultTimeout(PAGE_TIMEOUT_MS);
    const page = await context.newPage();
    this.watch(page);
    await page.addInitScript(() => {
      document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI, sourceFile }) => {
        // eslint-disable-next-line no-console -- the browser's own, which is listened to
        console.error(`content security policy: ${violatedDirective} ${blockedURI} ${sourceFile}`);
      });
    });
    await page.goto(`${this.url}/console${path}`);
    return page;
  }

  /** Opens an address as the demo application. */
  async openSignedIn(look: Look = {}): Promise<Page> {
    const page = await this.open(look);
    await page.getByRole('button', { name: 'Continue with the demo application' }).click();
    await page.getByRole('navigation', { name: 'Pages' }).waitFor();
    return page;
  }

  async signIn(page: Page, appId: string, secret: string): Promise<void> {
    await page.getByLabel('Application id').fill(appId);
    await page.getByLabel('Secret').fill(secret);
    await page.getByRole('button', { name: 'Sign in', exact: true }).click();
    await page.getByRole('navigation', { name: 'Pages' }).waitFor();
  }

  /** Goes to another address of the console without loading it anew, which would sign out. */
  async go(page: Page, path: string): Promise<void> {
    await page.evaluate((to) => {
      window.history.pushState({}, '', to);
      window.dispatchEvent(new PopStateEvent('popstate'));
    }, `/console${path}`);
  }

  /**
   * Holds that a page asked nobody else for anything, broke no policy, threw nothing, and left nothing in the browser.
   *
   * @param allowed what may be in the browser's console all the same: refusals that the test brought about
   */
  async expectWellBehaved(page: Page, allowed: RegExp = /^$/): Promise<void> {
    const { foreign, errors } = this.offences.get(page)!;
    expect(foreign).toEqual([]);
    expect(errors.filter((error) => !allowed.test(error))).toEqual([]);
    const kept = await page.evaluate(async () => ({
      local: window.localStorage.length,
      session: window.sessionStorage.length,
      cookies: document.cookie,
      databases: (await window.indexedDB.databases()).length,
      caches: (await window.caches.keys()).length,
    }));
    expect(kept).toEqual({ local: 0, session: 0, cookies: '', databases: 0, caches: 0 });
  }

  private watch(page: Page): void {
    const offences: Offences = { foreign: [], errors: [] };
    this.offences.set(page, offences);
    page.on('request', (request) => {
      if (!request.url().startsWith(`${this.url}/`)) offences.foreign.push(request.url());
    });
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') offences.errors.push(message.text());
    });
    page.on('pageerror', (error) => offences.errors.push(error.message));
  }
}

/** Makes a report of an agent of the demo's client. */
export function reportOf(id: number, status: 'available' | 'logged_out'): Record<string, unknown> {
  return {
    client_id: '12',
    agent_type: id % 3 === 0 ? 'remote' : 'local',
    agent_id: id,
    agent_status: status,
    event_source: id % 2 === 0 ? 'phone' : 'api',
    ...(id % 3 === 0 ? { agent_number: `+7495${String(id).padStart(7, '0')}` } : { extension_name: `${id}*094@ringme.ru` }),
  };
}
