import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { AxeResults } from 'axe-core';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import * as assert from 'uvu/assert';
import { browser as browserNeed, browserPath, type Missing, testNeeding } from '../needs.js';

/** A test in a real browser, which may need more than that. */
export function browserTest(name: string, run: () => Promise<void>, needs: readonly Missing[] = []): void {
  testNeeding([browserNeed, ...needs], name, run);
}

/** Milliseconds. On a busy machine, drawing without a GPU takes long. */
const patience = 180_000;

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
  options: BrowserContextOptions = {},
): Promise<void> {
  browser ??= chromium.launch({
    executablePath: browserPath,
    timeout: patience,
    args: [
      ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
      ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
      ...['--use-angle=swiftshader', '--enable-unsafe-swiftshader'],
    ],
  });
  const context = await (await browser).newContext({ viewport: { width: 1280, height: 860 }, ...options });
  const faults: string[] = [];
  context.setDefaultTimeout(patience);
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

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** What axe-core finds wrong with a page as it is now: the rules, and the elements that break them. */
export async function axeFindings(page: Page): Promise<string[]> {
  // Animations of the browser, e.g. of a dialog's backdrop, change colours for a moment.
  await page.evaluate(() => Promise.all(document.getAnimations().map(({ finished }) => finished)));
  await page.evaluate(axe);
  const { violations } = await page.evaluate<AxeResults>('axe.run()');
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 200)).join(' ')}`);
}

/**
 * How the page looks now: its smallest text in pixels (text in charts is scaled with them), how far it is
 * wider than the window, and the boxes whose content is cut off.
 */
export function measureLook(page: Page) {
  return page.evaluate(() => {
    const hasText = (element: Element) =>
      [...element.childNodes].some(
        ({ nodeType, textContent }) => nodeType === Node.TEXT_NODE && textContent?.trim(),
      );
    const sizes = [...document.body.querySelectorAll('*')]
      .filter((element) => element.getClientRects().length > 0 && hasText(element))
      .map((element) => {
        const size = Number.parseFloat(getComputedStyle(element).fontSize);
        const svg = element.closest('svg');
        return svg ? (size * svg.getBoundingClientRect().width) / svg.viewBox.baseVal.width : size;
      });
    const cut = [...document.querySelectorAll<HTMLElement>('.scroll, .card, [data-tall]')]
      .filter((box) => box.scrollWidth > box.clientWidth + 1 || box.scrollHeight > box.clientHeight + 1)
      .map((box) => box.innerText.slice(0, 40));
    return {
      smallestText: Math.min(...sizes),
      overflow: document.documentElement.scrollWidth - innerWidth,
      cut,
    };
  });
}
