/** A real browser, Debian's Chromium, driven over its own protocol. */
import { type Browser, chromium, type Page } from 'playwright-core';
import { hasProgram } from './need.js';

export const hasBrowser = hasProgram('chromium');

const PROGRAM = '/usr/bin/chromium';
/** For what a page is waited for; a loaded machine draws slowly. */
const WAIT_MS = 20_000;

/** Without its own sandbox, which it refuses to have as root. */
export function openBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: PROGRAM, args: ['--no-sandbox'] });
}

/** A page, and what went wrong in it: errors of scripts, what the console got, requests to elsewhere. */
export interface WatchedPage {
  readonly page: Page;
  readonly problems: string[];
}

export async function openPage(browser: Browser, url: string): Promise<WatchedPage> {
  const page = await browser.newPage({ viewport: { width: 1366, height: 1000 } });
  page.setDefaultTimeout(WAIT_MS);
  const problems: string[] = [];
  page.on('pageerror', (error) => problems.push(`error: ${error.message}`));
  page.on('console', (message) => {
    if (message.type() === 'error') problems.push(`console: ${message.text()}`);
  });
  page.on('request', (request) => {
    const isOwn = request.url().startsWith(new URL(url).origin) || request.url() === 'data:,';
    if (!isOwn) problems.push(`asked elsewhere: ${request.url()}`);
  });
  await page.goto(url, { waitUntil: 'load' });
  return { page, problems };
}
