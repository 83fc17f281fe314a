import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NO_BROWSER } from '../support/browser.js';
import { eventually } from '../support/poll.js';
import { call } from '../support/client.js';
import { ConsoleFixture, PAGE_TIMEOUT_MS, reportOf } from './console.js';

/** So many that a replay of them can be cancelled. */
const MANY = 150;
const AGENT = '000*094@ringme.ru';

/** From the first look to a replay: what somebody does who has never seen Rollcall. */
describe.skipIf(NO_BROWSER)('the whole path', { timeout: 180_000 }, () => {
  let fixture: ConsoleFixture;
  let page: Page;

  beforeAll(async () => {
    fixture = await ConsoleFixture.start({ DELIVERY_RETRY_SCHEDULE: '1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s' });
    page = await fixture.openSignedIn();
  }, 120_000);

  afterAll(() => fixture.stop());

  const play = (word: string): Promise<void> =>
    page
      .getByRole('group', { name: `Report of ${AGENT}` })
      .getByRole('button', { name: word, exact: true })
      .click();
  const have = (answer: string): Promise<void> =>
    page.getByRole('group', { name: 'What it answers' }).getByRole('button', { name: answer, exact: true }).click();
  async function deliveredCount(): Promise<number> {
    const { json } = await fixture.demo.api('GET', '/client/@me/delivery/?status=delivered&per_page=1000');
    return (json as unknown[]).length;
  }

  const receiverAnswers = (mode: object): Promise<unknown> =>
    call(`${fixture.product.receiverUrl}/mode`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(mode),
    });
  const places = () => page.getByRole('navigation', { name: 'Pages' });

  it('begins with an agent event, and says at the field what is wrong', async () => {
    await page.getByText('There is no agent event yet').waitFor();
    await page.getByRole('link', { name: 'Add one' }).click();
    const dialog = page.getByRole('dialog', { name: 'Add an agent event' });
    await dialog.getByLabel('Url').fill('ftp://x');
    await dialog.getByRole('button', { name: 'Add', exact: true }).click();
    const message = dialog.getByRole('alert');
    await message.waitFor();
    expect(await message.innerText()).toMatch(/http/);
    expect(await dialog.getByLabel('Url').getAttribute('aria-invalid')).toBe('true');
    await dialog.getByLabel('Url').fill(`${fixture.product.receiverUrl}/crm`);
    await dialog.getByRole('button', { name: 'Add', exact: true }).click();
    await page.getByRole('link', { name: 'Login of every agent' }).waitFor();
  });

  it('plays a login, and sees it arrive with a good signature', async () => {
    await places().getByRole('link', { name: 'Playground' }).click();
    await play('Log in');
    const path = page.getByRole('region', { name: 'The path' });
    await path.getByText('It changed the status').waitFor();
    await path.getByText('Delivered', { exact: true }).nth(1).waitFor();
    const receiver = page.getByRole('region', { name: 'The receiver' });
    await receiver.getByText('Signature good').first().waitFor();
    await receiver.getByText('agent_status=available').first().waitFor();
  });

  it('says of a repeat and of a late report that they change nothing', async () => {
    await play('Repeat');
    await page.getByText('It repeats the status that the agent has').waitFor();
    await play('Late report');
    await page.getByText('It is older than the last change').waitFor();
  });

  it('shows the agent on the board, and why the receiver was told', async () => {
    await places().getByRole('link', { name: 'Board' }).click();
    await page.getByRole('table', { name: 'Agents' }).getByRole('link', { name: AGENT }).click();
    await page.getByRole('heading', { name: AGENT }).waitFor();
    await page.getByRole('region', { name: 'History' }).getByRole('button').first().click();
    const explanation = page.getByRole('region', { name: 'Explanation' });
    await explanation.getByRole('heading', { name: 'Told', exact: true }).waitFor();
    await explanation.getByRole('link', { name: 'Open the delivery' }).first().click();
    await page.getByRole('heading', { name: `Login of ${AGENT}` }).waitFor();
  });

  it('shows one delivery: what was sent, what came back', async () => {
    await page.getByText(/^It was delivered at/).waitFor();
    const request = page.getByRole('region', { name: 'Request' });
    await request.getByText('agent_status').waitFor();
    await request.getByRole('button', { name: 'As sent' }).click();
    const sent = await request.locator('pre').innerText();
    expect(sent).toMatch(/^POST http/);
    expect(sent).toMatch(/webhook-signature: .{1,12}$/m);
    await page.getByRole('region', { name: 'Attempts' }).getByText('HTTP 200').waitFor();
  });

  it('tells a receiver that fails from one that is gone', async () => {
    await places().getByRole('link', { name: 'Playground' }).click();
    await have('503');
    await play('Log out');
    await play('Log in');
    await places().getByRole('link', { name: 'Deliveries' }).click();
    const row = page.getByRole('listitem').filter({ hasText: 'Retrying' }).getByRole('link').first();
    await row.click();
    await page.getByText('HTTP 503').first().waitFor();
    await page.getByRole('button', { name: 'Try now' }).waitFor();
    await places().getByRole('link', { name: 'Playground' }).click();
    await have('410');
    await places().getByRole('link', { name: 'Agent events' }).click();
    await page.getByRole('listitem').filter({ hasText: 'Suspended' }).getByRole('link').click();
    await page.getByText(/answered 410/).waitFor();
  });

  it('resumes it, and what waited is delivered', async () => {
    const suspended = page.url();
    await places().getByRole('link', { name: 'Playground' }).click();
    await have('200');
    await fixture.go(page, new URL(suspended).pathname.replace('/console', ''));
    await page.getByRole('button', { name: 'Resume' }).click();
    await page.getByText(/Everything arrives/).waitFor();
    await eventually('both logins were delivered', async () => {
      const { json } = await fixture.demo.api('GET', '/client/@me/delivery/?status=delivered');
      return (json as unknown[]).length === 2;
    });
    await page.getByRole('button', { name: 'Send test' }).click();
    await page.getByText('The test arrived').waitFor();
  });

  it('counts before it replays, and sends only then', async () => {
    await page.getByRole('button', { name: 'Replay …' }).click();
    const dialog = page.getByRole('dialog', { name: 'Replay' });
    await dialog.getByLabel('Everything, also what was delivered').check();
    await dialog.getByRole('button', { name: 'Count them' }).click();
    await dialog.getByText(/This sends 2 notifications to 127\.0\.0\.1/).waitFor();
    await dialog.getByRole('button', { name: 'Send 2' }).click();
    await page.getByRole('region', { name: 'Replays' }).getByText('Finished: 2 of 2').waitFor();
  });

  it('cancels a replay while it runs', async () => {
    const before = await deliveredCount();
    const agents = Array.from({ length: MANY }, (_, index) => reportOf(1000 + index, 'available'));
    await fixture.platform.telemetry(agents);
    await eventually('all of them were delivered', async () => (await deliveredCount()) === before + MANY, PAGE_TIMEOUT_MS);
    await receiverAnswers({ status: 200, delay_ms: 2000 });
    await page.getByRole('button', { name: 'Replay …' }).click();
    const dialog = page.getByRole('dialog', { name: 'Replay' });
    await dialog.getByLabel('Everything, also what was delivered').check();
    await dialog.getByRole('button', { name: 'Count them' }).click();
    await dialog.getByRole('button', { name: /^Send \d+$/ }).click();
    const job = page
      .getByRole('region', { name: 'Replays' })
      .getByRole('listitem')
      .filter({ hasText: /Running/ });
    await job.getByRole('button', { name: 'Cancel' }).click();
    await page
      .getByRole('region', { name: 'Replays' })
      .getByText(/^Cancelled: /)
      .waitFor();
    await receiverAnswers({ status: 200, delay_ms: 0 });
  });

  it('pauses an agent event, changes it, and deletes it', async () => {
    await page.getByRole('button', { name: 'Pause' }).click();
    await page.getByText(/^Paused since/).waitFor();
    await page.getByRole('button', { name: 'Resume' }).click();
    await page.getByRole('button', { name: 'Pause' }).waitFor();
    await page.getByRole('button', { name: 'Change …' }).click();
    const form = page.getByRole('dialog', { name: 'Change the agent event' });
    await form.getByLabel('Url').fill(`${fixture.product.receiverUrl}/elsewhere`);
    await form.getByLabel('Agents').selectOption('Every local agent');
    await form.getByRole('button', { name: 'Save' }).click();
    await page.getByRole('region', { name: 'Facts' }).getByText('/elsewhere').waitFor();
    await page.getByRole('heading', { name: 'Login of every local agent' }).waitFor();
    await page.getByRole('button', { name: 'Delete …' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Delete', exact: true }).click();
    await page.getByText('No agent events yet').waitFor();
  });

  it('adds one for an agent that is searched for, and for nobody else', async () => {
    await page.getByRole('button', { name: 'Add an agent event' }).click();
    const form = page.getByRole('dialog', { name: 'Add an agent event' });
    await form.getByLabel('Url').fill(`${fixture.product.receiverUrl}/one`);
    await form.getByLabel('Agents').selectOption('One agent …');
    await form.getByLabel('Name, number or id').fill('nobody');
    await form.getByRole('button', { name: 'Add', exact: true }).click();
    await form.getByRole('alert').waitFor();
    await form.getByLabel('Name, number or id').fill(AGENT);
    await eventually('it is found', async () => (await form.getByRole('alert').count()) === 0, PAGE_TIMEOUT_MS);
    await form.getByRole('button', { name: 'Add', exact: true }).click();
    await page.getByRole('link', { name: `Login of ${AGENT}` }).waitFor();
  });

  it('tells on the overview what was paused and resumed', async () => {
    await places().getByRole('link', { name: 'Overview' }).click();
    const notices = page.getByRole('region', { name: 'Notices' });
    await notices
      .getByText(/Agent event \d+ \(agent-login to http.* is suspended: somebody has paused it/)
      .first()
      .waitFor();
    await notices.getByText('Paused', { exact: true }).first().waitFor();
    await notices.getByText('Resumed', { exact: true }).first().waitFor();
  });

  it('was well behaved all the way', async () => {
    await fixture.expectWellBehaved(page, /status of (400|404)/);
  });

  it('signs out, and leaves nothing to be seen', async () => {
    await page.getByRole('button', { name: /^demo/ }).click();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();
    expect(await page.locator('body').innerText()).not.toContain(AGENT);
  });
});
