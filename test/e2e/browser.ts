import { type Browser, chromium, type Page } from 'playwright-core';
import * as assert from 'uvu/assert';
import { browser as browserNeed, browserPath, type Missing, testNeeding } from '../needs.js';

/** A test in a real browser, which may need more than that. */
export function browserTest(name: string, run: () => Promise<void>, needs: readonly Missing[] = []): void {
  testNeeding([browserNeed, ...needs], name, run);
}

let browser: Promise<Browser> | undefined;

/** Closes the browser, if a test has started it. */
export async function closeBrowser(): Promise<void> {
  await (await browser)?.close();
}

/**
 * Opens a page in headless Chromium, passes it to `use`, and asserts that nothing went wrong in it: no error
 * on the console, no exception, and no request to another computer. WebGL runs on SwiftShader, so no GPU is
 * needed.
 */
export async function withPage(
  url: string,
  use: (page: Page) => Promise<void>,
  options: { colorScheme?: 'light' | 'dark' } = {},
): Promise<void> {
  browser ??= chromium.launch({
    executablePath: browserPath,
    args: [
      ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
      ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
      ...['--use-angle=swiftshader', '--enable-unsafe-swiftshader'],
    ],
  });
  const context = await (await browser).newContext({ viewport: { width: 1280, height: 860 }, ...options });
  const faults: string[] = [];
  // On a busy machine, drawing without a GPU takes long.
  context.setDefaultTimeout(180_000);
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
