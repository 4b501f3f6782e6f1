/** The dashboard in a real browser: without consumers, with one under load, with a thousand, and after a restart. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { hasBrowser, openBrowser, openPage } from '../helpers/browser.js';
import { renderJson } from '../helpers/http-text.js';
import { askChat, chatBody, type LimitedGateway, startLimited } from '../helpers/limited.js';
import { findClosedPort, send } from '../helpers/mock-upstream.js';
import { skipUnless } from '../helpers/need.js';

const LIVE = '#status[data-state="live"]';

/** Told to the browser as text, because only there a document exists. */
const HEAT_IS_PAINTED = `(() => {
  const canvas = document.getElementById('heat');
  const { data } = canvas.getContext('2d').getImageData(60, 0, canvas.width - 60, canvas.height);
  return data.some((value) => value !== 0);
})()`;

/** The figure of a tile, as it is written. */
function tile(page: Page, name: string) {
  return page.locator('.tile', { hasText: name }).locator('strong');
}

describe('the dashboard', { skip: skipUnless(hasBrowser, 'chromium'), timeout: 90_000 }, () => {
  let browser: Browser;
  let limited: LimitedGateway;
  let asked = 0;

  before(async () => {
    [browser, limited] = await Promise.all([
      openBrowser(),
      startLimited({
        upstream: {
          // The eleventh request fails.
          script: () => {
            asked += 1;
            return asked === 11
              ? [send('HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n')]
              : [send(renderJson(chatBody(9, 3)))];
          },
        },
        limits: {
          only: [
            { requests: 100, per: '1h' },
            { cost: 5, per: '1d' },
          ],
        },
        config: { retry: { attempts: 1 } },
      }),
    ]);
  });

  after(async () => {
    await browser?.close();
    await limited?.stop();
  });

  it('tells-what-one-consumer-does-and-what-failed', async () => {
    const { gateway } = limited;
    const { page, problems } = await openPage(browser, `${gateway.adminUrl}/`);
    await page.waitForSelector(LIVE);
    for (let call = 0; call < 10; call += 1) await (await askChat(gateway, 'only')).text();
    await (await askChat(gateway, 'only', { model: 'other' })).text();
    await page.locator('#failed-table td', { hasText: /^500$/ }).waitFor();
    const limit = page.locator('#limits-table tr', { hasText: 'requests per 1h' });
    await limit.getByText('89', { exact: true }).waitFor();
    assert.match((await limit.textContent()) ?? '', /^only/);
    assert.equal(await tile(page, 'Exchanges').textContent(), '11');
    assert.match((await page.locator('#failed-table').textContent()) ?? '', /other\s*mock\s*500/);
    assert.match((await page.locator('#slow-table').textContent()) ?? '', /gpt-4o\s*mock\s*200/);
    assert.match(
      (await page.locator('#routes-table').textContent()) ?? '',
      /gpt-4o\s*mock\s*closed/,
    );
    const painted = await page.evaluate(HEAT_IS_PAINTED);
    assert.equal(painted, true, 'the heat map shows nothing');
    assert.deepEqual(problems, []);
    await page.close();
  });

  it('is-used-by-the-keyboard-alone', async () => {
    const { page } = await openPage(browser, `${limited.gateway.adminUrl}/`);
    await page.waitForSelector(LIVE);
    await page.keyboard.press('Tab');
    assert.equal(await page.evaluate('document.activeElement.textContent'), 'To the tables');
    await page.keyboard.press('Enter');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    const head = page.locator('#routes-table th').first();
    assert.equal(await head.getAttribute('aria-sort'), 'ascending');
    await page.keyboard.press('Enter');
    assert.equal(await head.getAttribute('aria-sort'), 'descending');
    const theme = () => page.locator('html').getAttribute('data-theme');
    const before = await theme();
    await page.locator('#theme').focus();
    await page.keyboard.press('Enter');
    assert.notEqual(await theme(), before);
    await page.close();
  });

  it('finds-one-of-a-thousand-consumers', async () => {
    const names = Array.from({ length: 1000 }, (_, index) => `team-${index}`);
    const many = await startLimited({
      limits: Object.fromEntries(names.map((name) => [name, [{ requests: 5, per: '1h' }]])),
    });
    try {
      const { page, problems } = await openPage(browser, `${many.gateway.adminUrl}/`);
      await page.waitForSelector('#limits-table td meter');
      assert.equal(await page.locator('#limits-table tbody tr').count(), 100);
      await page.fill('#consumer', 'team-777');
      await page.keyboard.press('Enter');
      await page.locator('#limits-table td', { hasText: /^team-777$/ }).waitFor();
      assert.equal(await page.locator('#limits-table tbody tr').count(), 1);
      assert.deepEqual(problems, []);
      await page.fill('#consumer', 'team-7777');
      await page.keyboard.press('Enter');
      await page.getByText('No consumer has limits.').waitFor();
      const words = await page.evaluate('document.querySelector("#consumer").validationMessage');
      assert.match(String(words), /nearest: team-777/);
      await page.close();
    } finally {
      await many.stop();
    }
  });

  it('comes-back-after-a-restart-without-anybodys-help', async () => {
    const admin = `127.0.0.1:${await findClosedPort()}`;
    const start = () => startLimited({ limits: {}, config: { admin, consumers: undefined } });
    let server = await start();
    try {
      const { page } = await openPage(browser, `http://${admin}/`);
      await page.waitForSelector(LIVE);
      await page.getByText('No consumer has limits.').waitFor();
      await (await askChat(server.gateway, 'nobody')).text();
      await page.locator('#slow-table td', { hasText: 'complete' }).first().waitFor();
      await server.stop();
      await page.waitForSelector('#status[data-state="lost"]');
      server = await start();
      await page.waitForSelector(LIVE);
      await tile(page, 'Exchanges').getByText('0', { exact: true }).waitFor();
      await page.close();
    } finally {
      await server.stop();
    }
  });
});
