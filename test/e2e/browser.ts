import { existsSync } from 'node:fs';
import { type Browser, chromium, type Page } from 'playwright-core';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { sharedFile } from '../shared.js';

const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';

/** A test in a real browser; left out, and counted as skipped, where there is none, or no `shared` if it needs that. */
export function browserTest(name: string, run: () => Promise<void>, needs?: 'shared'): void {
  if (!existsSync(executablePath)) test.skip(`${name} (no chromium here)`, run);
  else if (needs && !sharedFile('data')) test.skip(`${name} (no ../shared here)`, run);
  else test(name, run);
}

let browser: Promise<Browser> | undefined;

/** Ends the browser, if a test has started it. */
export async function closeBrowser(): Promise<void> {
  await (await browser)?.close();
}

/**
 * Opens a page in headless Chromium (WebGL by SwiftShader, so no GPU is needed), hands it over, and asserts that nothing
 * went wrong in it: no error on the console, no exception, and no request that leaves this computer.
 */
export async function withPage(
  url: string,
  use: (page: Page) => Promise<void>,
  options: { colorScheme?: 'light' | 'dark' } = {},
): Promise<void> {
  browser ??= chromium.launch({
    executablePath,
    args: [
      ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
      ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
      ...['--use-angle=swiftshader', '--enable-unsafe-swiftshader'],
    ],
  });
  const context = await (await browser).newContext({ viewport: { width: 1280, height: 860 }, ...options });
  const faults: string[] = [];
  context.setDefaultTimeout(20_000);
  const page = await context.newPage();
  page.on('console', (message) => {
    if (message.type() === 'error') faults.push(`console: ${message.text()}`);
  });
  page.on('pageerror', (error) => faults.push(`exception: ${error.message}`));
  page.on('dialog', (dialog) => {
    faults.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on('request', (request) => {
    const { protocol, hostname } = new URL(request.url());
    if (!['file:', 'data:', 'blob:'].includes(protocol) && hostname !== '127.0.0.1') {
      faults.push(`request: ${request.url()}`);
    }
  });
  try {
    await page.goto(url);
    await use(page);
  } finally {
    await context.close();
  }
  assert.equal(faults, [], url);
}
