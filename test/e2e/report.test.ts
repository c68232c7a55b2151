/// <reference lib="dom" />
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Page } from 'playwright-core';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { caseFolder, casesFolder, type ReportData } from '#src/report/read.js';
import { reportPage } from '#src/report/reportPage.js';
import { browserScript } from '#src/report/write.js';
import { shared, sharedPath } from '../needs.js';
import { dataset, pageDataOf } from '../report/dataset.js';
import { largeLabels, largeReport } from '../report/large.js';
import { browserTest, closeBrowser, withPage } from './browser.js';
import { readCsv, start, temporaryFolder, voxstream } from './harness.js';

test.after(closeBrowser);

const once = <Value>(make: () => Promise<Value>) => {
  let made: Promise<Value> | undefined;
  return () => (made ??= make());
};

const pageOf = (output: string) => pathToFileURL(join(output, 'report/index.html')).href;

/** Six blocks, one of them with a damaged label and one with a name that is markup, and their report. */
const harm = '<script>window.harmed=1</script><img src=x onerror="window.harmed=1">';
const ids = ['case-2', 'case-10', harm, 'case-1', 'other', 'damaged'];
const blocks = once(async () => {
  const shifts = [3, 0, 5, 1, 2, 0];
  const { run, output, items } = await dataset(ids, {
    shift: (i) => shifts[i],
    sinks: '[metricsCsv, report]',
  });
  writeFileSync(items[5].label, 'no image');
  await run();
  return output;
});

/** The real run over a real CT, with its report made as it goes. */
const mini = once(async () => {
  const folder = temporaryFolder();
  const output = join(folder, 'out');
  writeFileSync(join(folder, 'report.yaml'), 'sinks: [report]');
  const set = [
    `dataset=${sharedPath('data/mini')}`,
    'source.split=train',
    `model=${sharedPath('models/spleen_demo')}`,
    `output=${output}`,
  ].flatMap((one) => ['--set', one]);
  const { code, stderr } = await voxstream([
    'run',
    'pipelines/spleen-evaluate.yaml',
    join(folder, 'report.yaml'),
    ...set,
  ]);
  assert.is(code, 0, stderr);
  return output;
});

/** Serves a report by the command line, until `use` ends; the "browser" that it opens notes the address. */
async function serving(output: string, use: (url: string) => Promise<void>): Promise<void> {
  const folder = temporaryFolder();
  const [opener, noted] = [join(folder, 'browser.sh'), join(folder, 'url')];
  writeFileSync(opener, `#!/bin/sh\necho "$1" > ${noted}.part && mv ${noted}.part ${noted}\n`);
  chmodSync(opener, 0o755);
  const { child, ended } = start(['report', output, '--open'], { BROWSER: opener });
  while (!existsSync(noted) && child.exitCode === null)
    await new Promise((resolve) => setTimeout(resolve, 50));
  try {
    await use(readFileSync(noted, 'utf8').trim());
  } finally {
    child.kill('SIGINT');
  }
  const { code, stdout, stderr } = await ended;
  assert.is(code, 0, stderr);
  assert.match(
    stdout,
    /Serving the report at http:\/\/127\.0\.0\.1:\d+\/ \(this computer only\)\. Press Ctrl-C to stop\./,
  );
}

const names = (page: Page) => page.locator('#table tbody th').allInnerTexts();
const column = (page: Page, n: number) => page.locator(`#table tbody td:nth-of-type(${n})`).allInnerTexts();
const count = (page: Page) => page.locator('#count').innerText();

browserTest('the table sorts, filters, and hands out what it shows', async () => {
  await withPage(pageOf(await blocks()), async (page) => {
    assert.equal(await names(page), ids.slice(0, 5));
    assert.equal(await column(page, 1), ['0.700', '1.000', '0.500', '0.900', '0.800']);
    assert.is(await count(page), '5 of 5 cases');
    await page.getByRole('button', { name: 'Dice' }).click();
    assert.equal(await column(page, 1), ['0.500', '0.700', '0.800', '0.900', '1.000']);
    assert.is(await page.locator('th[aria-sort]').getAttribute('aria-sort'), 'ascending');
    await page.keyboard.press('Enter');
    assert.equal(await column(page, 1), ['1.000', '0.900', '0.800', '0.700', '0.500']);
    await page.getByRole('button', { name: 'Case', exact: true }).click();
    assert.equal(
      (await names(page)).filter((name) => name.startsWith('case')),
      ['case-1', 'case-2', 'case-10'],
    );
    await page.getByRole('button', { name: 'Worst first' }).click();
    assert.is((await names(page))[0], harm);

    const filter = page.getByLabel('Filter');
    await filter.fill('case-1');
    assert.equal([await names(page), await count(page)], [['case-1', 'case-10'], '2 of 5 cases']);
    await filter.fill('dice_1 < 0.85 case');
    assert.equal(await names(page), ['case-2']);
    await filter.fill('dice<=0.8 volume_ml>=0.8');
    assert.equal(await names(page), [harm, 'case-2', 'other']);
    await filter.fill('dice<');
    assert.is(await count(page), 'dice< needs a number');
    await filter.fill('0');
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    await page.getByRole('button', { name: 'Copy CSV' }).click();
    const csv = await page.evaluate(() => navigator.clipboard.readText());
    assert.match(csv.replaceAll('\r\n', '\n'), /^case,dice_1,volume_ml_1,volume_ml_ref_1\ncase-10,1,0\.8/);
  });
});

browserTest('failures are counted, linked and told', async () => {
  await withPage(pageOf(await blocks()), async (page) => {
    await page.locator('.figure.alert a', { hasText: '1' }).click();
    assert.match(page.url(), /#failures$/);
    const row = page.locator('#failures tbody tr');
    assert.equal(await row.locator('th').allInnerTexts(), ['damaged']);
    assert.match(await row.innerText(), /load.*5_label\.nii\.gz is not a NIfTI file/s);
  });
});

browserTest(
  'a case opens with its pictures, and keys step through the cases as the table has them',
  async () => {
    await withPage(pageOf(await blocks()), async (page) => {
      await page.getByRole('button', { name: 'Worst first' }).click();
      await page.locator('#table tbody button').first().click();
      const title = () => page.locator('#case-title').innerText();
      assert.is(await title(), harm);
      await page.keyboard.press('ArrowRight');
      assert.is(await title(), 'case-2');
      assert.match(page.url(), /#case=case-2$/);
      assert.equal(await page.locator('dialog .side').allInnerTexts(), [...'RLAPRLSIAPSI']);
      await page.getByRole('checkbox', { name: 'reference' }).uncheck();
      assert.equal(
        await page
          .locator('dialog img[data-mask]:visible')
          .evaluateAll((all) => all.map((image) => (image as HTMLElement).dataset.mask)),
        ['prediction', 'prediction', 'prediction'],
      );
      // Voxels of 1 x 1 x 2 mm: 20 x 16 x 10 of them are 20 x 16 mm in axial and 20 x 20 in coronal slices.
      const ratios = await page
        .locator('dialog .stack')
        .evaluateAll((all) => all.map((frame) => frame.clientWidth / frame.clientHeight));
      assert.ok(
        [20 / 16, 1, 16 / 20].every((ratio, i) => Math.abs(ratios[i] - ratio) < 0.02),
        `${ratios}`,
      );
      await page.keyboard.press('Escape');
      assert.is(await page.locator('dialog').isVisible(), false);
    });
  },
);

browserTest('a case named like a script does no harm, on any page', async () => {
  const output = await blocks();
  const harmed = (page: Page) => page.evaluate(() => 'harmed' in window);
  await withPage(`${pageOf(output)}#case=${encodeURIComponent(harm)}`, async (page) => {
    assert.is(await page.locator('#case-title').innerText(), harm);
    await page.keyboard.press('Escape');
    await page.locator('.dot').first().hover();
    assert.is(await harmed(page), false);
  });
  await serving(output, (url) =>
    withPage(`${url}3d/?case=${encodeURIComponent(harm)}`, async (page) => {
      await ready(page);
      assert.is(await page.locator('h1').innerText(), harm);
      assert.is(await harmed(page), false);
    }),
  );
});

/** Writes the page of a report with empty pictures. */
async function writePage(data: ReportData) {
  const folder = temporaryFolder();
  const page = reportPage(data, await browserScript('page'));
  writeFileSync(join(folder, 'index.html'), page);
  for (const { id } of data.cases) {
    const pictures = join(folder, casesFolder, caseFolder(id));
    mkdirSync(pictures, { recursive: true });
    for (const plane of ['axial', 'coronal', 'sagittal']) {
      for (const mask of ['prediction', 'reference']) {
        writeFileSync(join(pictures, `${plane}-${mask}.svg`), '<svg xmlns="http://www.w3.org/2000/svg"/>');
      }
    }
  }
  return { page, url: pathToFileURL(join(folder, 'index.html')).href };
}

browserTest('a report of 200 cases with 20 labels stays small, and shows labels by metrics', async () => {
  const data = largeReport();
  const { page, url } = await writePage(data);
  assert.ok(page.length < 2_000_000, `${page.length} bytes`);
  await withPage(url, async (open) => {
    const nodes = await open.evaluate(() => document.querySelectorAll('*').length);
    assert.ok(nodes < 10_000, `${nodes} nodes`);
    const matrix = open.locator('table.matrix');
    assert.is(await matrix.locator('tbody tr').count(), largeLabels.length + 1);
    assert.is(await matrix.locator('tbody tr').first().locator('th').innerText(), 'mean over labels');
    const dice = data.cases.map(
      ({ metrics }) => metrics.find(({ label }) => label === largeLabels[4])!.value,
    );
    const mean = dice.reduce((sum, value) => sum + value, 0) / dice.length;
    const cell = matrix.locator('tbody tr', { hasText: largeLabels[4] }).locator('td').first();
    assert.is(await cell.innerText(), mean.toFixed(3));
    const missed = open.locator('#notes li', { hasText: 'was missed' });
    assert.is(await missed.count(), 1, 'a missed organ is reported once');
    assert.match(
      await missed.innerText(),
      /^organ_number_1 was missed in 5 of 200 cases; hd, hd95 and assd are infinite there and left out: study_0007/,
    );
    assert.is(await open.locator('#notes li', { hasText: 'infinite' }).count(), 1);
    await missed.getByRole('button', { name: 'study_0047_with_a_name' }).click();
    assert.is(await open.locator('#case-title').innerText(), 'study_0047_with_a_name');
    await open.keyboard.press('Escape');
    await open.getByText(/All statistics of all/).click();
    const lines = open.locator('table.summary tbody tr');
    await lines.first().waitFor();
    assert.ok((await lines.count()) > 200);
    // A chart that is chosen is drawn.
    await open.getByLabel('Metric').selectOption({ label: 'HD95, mm' });
    const dots = open.locator('[data-plot="metric-hd95"] .dot');
    assert.ok((await dots.count()) > 0);
    await open.getByLabel('Label').last().selectOption({ index: 3 });
    assert.is(await open.locator(`[data-plot="volume-${largeLabels[3]}"] .dot`).count(), 200);
  });
});

browserTest('on a phone and in print nothing is cut off, and no text is smaller than 10 pixels', async () => {
  const { url } = await writePage(largeReport(20));
  await withPage(url, async (page) => {
    /** The smallest size of text that is shown, in pixels; text in charts is scaled with them. */
    const smallest = () =>
      page.evaluate(() => {
        const sizes = [
          ...document.querySelectorAll<Element>('p, li, th, td, dt, dd, button, text, label, h1, h2, h3'),
        ]
          .filter((element) => element.getClientRects().length > 0 && element.textContent?.trim())
          .map((element) => {
            const size = Number.parseFloat(getComputedStyle(element).fontSize);
            const svg = element.closest('svg');
            return svg ? (size * svg.getBoundingClientRect().width) / svg.viewBox.baseVal.width : size;
          });
        return Math.min(...sizes);
      });
    /** How far the page is wider than the window. */
    const overflow = () => page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    await page.setViewportSize({ width: 375, height: 760 });
    assert.ok((await smallest()) >= 10, `${await smallest()}`);
    assert.ok((await overflow()) <= 0, `${await overflow()}`);
    // The width of A4 with the browser's margins.
    await page.setViewportSize({ width: 718, height: 1000 });
    await page.emulateMedia({ media: 'print' });
    assert.ok((await smallest()) >= 10, `${await smallest()}`);
    assert.ok((await overflow()) <= 0, `${await overflow()}`);
    const cut = await page.evaluate(() =>
      [...document.querySelectorAll<HTMLElement>('.scroll, .card')]
        .filter((box) => box.scrollWidth > box.clientWidth + 1 || box.scrollHeight > box.clientHeight + 1)
        .map((box) => box.innerText.slice(0, 40)),
    );
    assert.equal(cut, []);
  });
});

browserTest('the theme follows the system until it is switched, and then is kept', async () => {
  const output = await blocks();
  const ground = (page: Page) => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  await withPage(pageOf(output), async (page) => {
    assert.is(await ground(page), 'rgb(255, 255, 255)');
    await page.getByRole('button', { name: 'Switch between light and dark' }).click();
    assert.is(await ground(page), 'rgb(20, 21, 24)');
    // Chromium stores the choice a little later; on a busy machine a page that is reloaded at once misses it.
    let reloads = 0;
    do await page.reload();
    while ((await ground(page)) !== 'rgb(20, 21, 24)' && ++reloads < 20);
    assert.is(await ground(page), 'rgb(20, 21, 24)');
  });
  await withPage(pageOf(output), async (page) => assert.is(await ground(page), 'rgb(20, 21, 24)'), {
    colorScheme: 'dark',
  });
});

browserTest('the report of a real run has the numbers of its files in its plots, and pictures that are not blank', async () => {
  const output = await mini();
  const [{ dice_spleen: dice }] = readCsv(join(output, 'metrics.csv'));
  const [timings] = readCsv(join(output, 'timings.csv'));
  const note = JSON.parse(readFileSync(join(output, 'report/cases/ct_1/case.json'), 'utf8'));
  const { prediction, reference } = note.labels[0];
  const lanes = JSON.parse(readFileSync(join(output, 'report/lanes.json'), 'utf8'));
  await withPage(`${pageOf(output)}#case=ct_1`, async (page) => {
    const value = (selector: string, name: string) =>
      page.locator(selector).first().getAttribute(name).then(Number);
    const point = async (plot: string, expected: number) => {
      const shown = await value(`[data-plot="${plot}"] .dot`, 'data-value');
      // The page has six digits.
      assert.ok(Math.abs(shown - expected) <= 1e-5 * Math.abs(expected), `${plot}: ${shown}`);
    };
    await point('metric-dice', Number(dice));
    await point('volume-spleen', prediction);
    await point('agreement-spleen', prediction - reference);
    const inference = await value('[data-plot="steps"] [data-row="inference"] .dot', 'data-value');
    assert.ok(Math.abs(inference - Number(timings.inference)) < 1e-3);
    const device: number[] = lanes.busy.device;
    const mean = device.reduce((sum, share) => sum + share, 0) / device.length;
    assert.ok(Math.abs((await value('[data-plot="lanes"] [data-row="device"]', 'data-mean')) - mean) < 1e-9);
    // The spleen's volume of the file itself: 27 mm³ a voxel.
    assert.ok(reference > 250 && reference < 270, `${reference}`);

    const widths = () =>
      page
        .locator('dialog img')
        .evaluateAll((all) => all.map((image) => (image as HTMLImageElement).naturalWidth));
    await page.waitForFunction(() =>
      [...document.querySelectorAll('img')].every((image) => (image as HTMLImageElement).complete),
    );
    assert.is((await widths()).length, 9);
    assert.ok((await widths()).every((width) => width > 0));
    assert.is(await page.getByText('To look at this case in 3D').count(), 1);
  });
}, [shared('models/spleen_demo'), shared('data/mini')]);

/** Waits for the view in 3D, and asserts that it works. */
async function ready(page: Page): Promise<void> {
  await page.waitForFunction(
    () => document.documentElement.dataset.ready || document.querySelector('#status.fault'),
  );
  assert.is(await page.locator('#status.fault').count(), 0, await page.locator('#status').innerText());
}

/**
 * How a part of the page looks: how many greys there are in it, and how many coloured pixels (orange, blue).
 */
async function look(page: Page, selector: string) {
  const png = await page.locator(selector).first().screenshot();
  return page.evaluate(async (base64) => {
    const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
    const picture = await createImageBitmap(new Blob([bytes], { type: 'image/png' }));
    const canvas = new OffscreenCanvas(picture.width, picture.height);
    const context = canvas.getContext('2d')!;
    context.drawImage(picture, 0, 0);
    const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
    const greys = new Set<number>();
    let coloured = 0;
    for (let i = 0; i < data.length; i += 4) {
      const [r, g, b] = data.subarray(i, i + 3);
      greys.add(g);
      if (Math.max(r, g, b) - Math.min(r, g, b) > 20) coloured++;
    }
    return { greys: greys.size, coloured };
  }, png.toString('base64'));
}

browserTest('report --open shows a case in 3D: the CT and both masks, with controls and keys', async () => {
  await serving(await mini(), async (url) => {
    await withPage(`${url}#case=ct_1`, async (page) => {
      const axial = await look(page, 'dialog .stack');
      assert.ok(axial.greys > 100 && axial.coloured > 50, JSON.stringify(axial));
      await page.getByRole('link', { name: '3D view' }).click();
      await ready(page);
      assert.match(page.url(), /\/3d\/\?case=ct_1$/);
      const both = await look(page, 'canvas');
      assert.ok(both.greys > 100 && both.coloured > 1000, JSON.stringify(both));
      assert.match(
        await page.locator('#status').innerText(),
        /image -?\d.*prediction spleen.*reference spleen/s,
      );

      await page.keyboard.press('p');
      await page.keyboard.press('r');
      assert.is(await page.locator('#show-prediction').isChecked(), false);
      const none = await look(page, 'canvas');
      assert.ok(none.greys > 100 && none.coloured < both.coloured / 20, JSON.stringify(none));
      await page.keyboard.press('r');
      await page.keyboard.press('1');
      assert.is(await page.locator('button[aria-pressed="true"]').innerText(), 'Axial');
      const full = (await look(page, 'canvas')).coloured;
      await page.keyboard.press('o');
      const borders = (await look(page, 'canvas')).coloured;
      assert.ok(borders > 0 && borders < full / 2, `${borders} of ${full}`);
      const dark = (await look(page, 'canvas')).greys;
      await page.getByRole('button', { name: 'Bone' }).click();
      assert.equal(await page.getByLabel('Shown as black').inputValue(), '-500');
      assert.not.equal((await look(page, 'canvas')).greys, dark);
      await page.keyboard.press('5');
      assert.ok((await look(page, 'canvas')).greys > 50);
      await page.keyboard.press('Escape');
      await page.waitForURL(/#case=ct_1$/);
    });
  });
}, [shared('models/spleen_demo'), shared('data/mini')]);

test('a run that is killed leaves what a report can be made of', async () => {
  const { folder, output, items, text } = await dataset(['one'], { sinks: '[metricsCsv]' });
  // So many that they are not all done before the kill, however busy this computer is.
  const many = Array.from({ length: 1000 }, (_, i) => ({ ...items[0], id: `case-${i}` }));
  writeFileSync(join(folder, 'p.yaml'), text.replace(JSON.stringify(items), JSON.stringify(many)));
  const { child, ended } = start(['run', join(folder, 'p.yaml'), '--in-flight', '1', '--workers', '1']);
  const journal = join(output, '.voxstream/journal.jsonl');
  const finished = () => (existsSync(journal) ? readFileSync(journal, 'utf8').split('"case"').length - 1 : 0);
  while (finished() < 2 && child.exitCode === null) await new Promise((resolve) => setTimeout(resolve, 5));
  child.kill('SIGKILL');
  assert.is((await ended).signal, 'SIGKILL');
  const { code, stdout, stderr } = await voxstream(['report', output]);
  assert.is(code, 0, stderr);
  assert.match(stdout, /report\/index\.html: \d+ case\(s\), 0 failed, pictures drawn of \d+/);
  assert.match(stdout, /The run is unfinished/);
  const { cases } = pageDataOf(readFileSync(join(output, 'report/index.html'), 'utf8'));
  assert.ok(cases.length >= 2 && cases.length < 1000, `${cases.length}`);
  assert.ok(cases.every(({ pictures }: { pictures: unknown }) => pictures !== null));
});

test('report tells a wrong folder or port in a sentence', async () => {
  const wrong = await voxstream(['report', temporaryFolder()]);
  assert.is(wrong.code, 1);
  assert.match(
    wrong.stderr,
    /^voxstream: .* is not the folder of a run: .*Give the folder that is the output of the pipeline\.\n$/,
  );
  const port = await voxstream(['report', '.', '--port', 'a']);
  assert.is(port.code, 1);
  assert.match(port.stderr, /It must be a whole number from 0 to 65535/);
});

test.run();
