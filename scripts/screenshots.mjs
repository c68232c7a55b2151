// Takes the screenshots in docs/images with headless Chromium. Use a run whose images may be published:
//
//   npm run demo
//   node scripts/screenshots.mjs demo/results synth_004
//
// The second argument is the case to show. Default: the case with the lowest Dice. The third one is the
// folder of a comparison (`voxstream compare A B --report FOLDER`) that has pictures of the case.
import { mkdirSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';
import { remakeReport } from '../dist/pipeline/remakeReport.js';
import { serveReport } from '../dist/report/serve.js';
import { createRuntime } from '../dist/runtime/runtime.js';

const [output, chosen, comparison] = process.argv.slice(2);
if (!output) throw new Error('Give the folder of a run, e.g. node scripts/screenshots.mjs demo/results');
const runtime = createRuntime({ device: 'cpu' });
const { folder, data } = await remakeReport(output, runtime).finally(() => runtime.close());
const worst = (one, other) => one.metrics[0].value - other.metrics[0].value;
const id = encodeURIComponent(chosen ?? [...data.cases].sort(worst)[0].id);
const served = await serveReport(folder, data);
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: [
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    '--use-angle=swiftshader',
    '--enable-unsafe-swiftshader',
  ],
});
mkdirSync('docs/images', { recursive: true });
const shoot = async (name, address, wait, options) => {
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 }, ...options });
  await page.goto(address);
  await wait(page);
  // Hide the focus ring that the dialog draws around its first button.
  await page.evaluate(() => document.activeElement?.blur());
  await page.screenshot({ path: `docs/images/${name}.png` });
  await page.close();
};
const pictures = (page) =>
  page.waitForFunction(() => [...document.querySelectorAll('dialog img')].every((image) => image.complete));
const view = (page) => page.waitForFunction(() => document.documentElement.dataset.ready);
await shoot('report', `${served.url}#case=${id}`, pictures, {});
await shoot('report-3d', `${served.url}3d/?case=${id}`, view, { colorScheme: 'dark' });
if (comparison) {
  const page = pathToFileURL(`${comparison}/index.html`).href;
  await shoot('report-compare', `${page}#case=${id}`, pictures, {});
}
await browser.close();
await served.close();
