/// <reference lib="dom" />
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Locator, Page } from 'playwright-core';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { writeNifti } from '#src/formats/writeNifti.js';
import { compareRuns } from '#src/metrics/compare.js';
import { parsePipeline } from '#src/pipeline/load.js';
import { runPipeline } from '#src/pipeline/run.js';
import { comparedCases } from '#src/report/comparison.js';
import { comparisonPage } from '#src/report/comparisonPage.js';
import { caseFolder, casesFolder, metricsRows, type ReportData, readReportData } from '#src/report/read.js';
import { reportPage } from '#src/report/reportPage.js';
import { serveReport } from '#src/report/serve.js';
import { trainingPage } from '#src/report/training.js';
import { browserScript } from '#src/report/write.js';
import { createRuntime } from '#src/runtime/runtime.js';
import { makePhantom, phantomLabelNames } from '#src/synth/phantom.js';
import type { Volume } from '#src/volume/volume.js';
import { dataset, pageDataOf } from '../report/dataset.js';
import { largeLabels, largeReport } from '../report/large.js';
import { axeFindings, browserTest, closeBrowser, measureLook, withPage } from './browser.js';
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

/** A label map moved along x, without one of its labels. */
function moved(labels: Volume, by: number, without: number): Volume {
  const nx = labels.size[0];
  const data = Uint8Array.from(labels.data, (_, i) => (i % nx >= by ? labels.data[i - by] : 0));
  return { ...labels, data: data.map((label) => (label === without ? 0 : label)) };
}

/**
 * Two phantoms with seven organs, two segmentations of each, and their reports. Run `a` misses the aorta; `b`
 * lies further beside the reference.
 */
const phantoms = once(async () => {
  const folder = temporaryFolder();
  const path = (...parts: string[]) => join(folder, ...parts);
  for (const name of ['images', 'labels', 'a', 'b']) mkdirSync(path(name));
  writeFileSync(path('names.json'), JSON.stringify({ labels: phantomLabelNames('organs') }));
  for (const [index, file] of ['synth_001.nii.gz', 'synth_002.nii.gz'].entries()) {
    const { image, label } = makePhantom({ seed: 0, index, size: [64, 64, 40], labels: 'organs' });
    await writeNifti(path('images', file), image);
    await writeNifti(path('labels', file), label);
    await writeNifti(path('a', file), moved(label, 1, 5));
    await writeNifti(path('b', file), moved(label, 2 + index, 0));
  }
  const runtime = createRuntime({ device: 'cpu', workers: 1 });
  const run = async (name: string) => {
    const output = path('results', name);
    const files = {
      pred: path(name),
      label: path('labels'),
      image: path('images'),
      names: path('names.json'),
    };
    const pipeline = {
      ...{ name: 'phantoms', output, source: { pairs: files }, sinks: ['metricsCsv', 'report'] },
      steps: [{ load: { keys: 'label' } }, { load: { keys: 'pred' } }, 'dice', 'volume'],
    };
    const { failures } = await runPipeline(parsePipeline(JSON.stringify(pipeline), 'p.yaml'), { runtime });
    assert.equal(failures, []);
    return output;
  };
  try {
    return { a: await run('a'), b: await run('b'), image: path('images', 'synth_002.nii.gz') };
  } finally {
    await runtime.close();
  }
});

/** Serves a page by a command, until `use` ends; the "browser" that it opens notes the address. */
async function serving(command: readonly string[], use: (url: string) => Promise<void>): Promise<void> {
  const folder = temporaryFolder();
  const [opener, noted] = [join(folder, 'browser.sh'), join(folder, 'url')];
  writeFileSync(opener, `#!/bin/sh\necho "$1" > ${noted}.part && mv ${noted}.part ${noted}\n`);
  chmodSync(opener, 0o755);
  const { child, ended } = start([...command, '--open'], { BROWSER: opener });
  while (!existsSync(noted) && child.exitCode === null)
    await new Promise((resolve) => setTimeout(resolve, 50));
  try {
    await use(readFileSync(noted, 'utf8').trim());
  } finally {
    child.kill('SIGINT');
  }
  const { code, stderr } = await ended;
  assert.is(code, 0, stderr);
  assert.match(
    stderr,
    /Serving the report at http:\/\/127\.0\.0\.1:\d+\/ \(this computer only\)\. Press Ctrl-C to stop\./,
  );
}

const names = (page: Page) => page.locator('#table tbody th button').allInnerTexts();
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

browserTest('failures are counted, linked and listed with their messages', async () => {
  await withPage(pageOf(await blocks()), async (page) => {
    await page.locator('.figure.alert a', { hasText: '1' }).click();
    await page.waitForURL(/#failures$/);
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
      await page.waitForURL(/#case=case-2$/);
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
  const cases = [{ id: harm, metrics: [], timings: {} }];
  const folder = join(output, 'report');
  const served = await serveReport(folder, await readReportData(output, folder, cases, new Map()));
  const view = async (page: Page) => {
    await ready(page);
    assert.is(await page.locator('h1').innerText(), harm);
    assert.is(await harmed(page), false);
    assert.equal(await axeFindings(page), []);
  };
  const options = { viewport: { width: 640, height: 420 } };
  await withPage(`${served.url}3d/?case=${encodeURIComponent(harm)}`, view, options).finally(served.close);
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
  const groups = ['Canon', 'GE', 'Philips', 'Siemens'];
  const scanners = new Map(data.cases.map(({ id }, i) => [id, groups[i % 4]]));
  const subgroups = [{ name: 'scanner', of: scanners }];
  const { page, url } = await writePage({ ...data, subgroups });
  assert.ok(page.length < 2_000_000, `${page.length} bytes`);
  await withPage(url, async (open) => {
    const nodes = await open.evaluate(() => document.querySelectorAll('*').length);
    assert.ok(nodes < 10_000, `${nodes} nodes`);
    const matrix = open.locator('#summary table.matrix');
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
    const byScanner = open.locator('#subgroups table');
    assert.equal(await byScanner.locator('thead th').allInnerTexts(), [
      'label',
      ...groups.map((name) => `${name} (50)`),
    ]);
    const canon = dice.filter((_, i) => i % 4 === 0);
    const meanOfCanon = canon.reduce((sum, value) => sum + value, 0) / canon.length;
    const canonCell = byScanner.locator('tbody tr', { hasText: largeLabels[4] }).locator('td').first();
    assert.is(await canonCell.innerText(), meanOfCanon.toFixed(3));
    await open.getByLabel('Filter').fill('scanner = canon');
    assert.is(await count(open), '50 of 200 cases');
    // A chart that is chosen is drawn.
    await open.locator('[data-choose="metric"]').selectOption({ label: 'HD95, mm' });
    const dots = open.locator('[data-plot="metric-hd95"] .dot');
    assert.ok((await dots.count()) > 0);
    await open.locator('[data-choose="volume"]').selectOption({ index: 3 });
    assert.is(await open.locator(`[data-plot="volume-${largeLabels[3]}"] .dot`).count(), 200);
  });
});

browserTest('a comparison of 200 cases with 20 labels stays small', async () => {
  const { cases } = largeReport();
  const rows = metricsRows(cases);
  const changed = rows.map(({ case: id, metrics }, i) => ({
    case: id,
    metrics: metrics.map((value, k) => ({ ...value, value: value.value * (1 - ((i + k) % 7) / 50) })),
  }));
  const page = comparisonPage(
    {
      runs: [],
      comparison: compareRuns(rows.slice(0, 4), changed),
      data: { cases: comparedCases(rows, changed), failures: [], run: {} },
      movers: [],
    },
    await browserScript('page'),
  );
  assert.ok(page.length < 2_000_000, `${page.length} bytes`);
  const file = join(temporaryFolder(), 'index.html');
  writeFileSync(file, page);
  await withPage(pathToFileURL(file).href, async (open) => {
    const nodes = await open.evaluate(() => document.querySelectorAll('*').length);
    assert.ok(nodes < 10_000, `${nodes} nodes`);
    assert.is(await open.locator('#summary table.matrix tbody tr').count(), largeLabels.length + 1);
    await open.locator('#label').selectOption(largeLabels[0]);
    await open.emulateMedia({ media: 'print' });
    assert.match(await open.locator('#unprinted').innerText(), /^Not printed, .*HD95, mm: A/);
  });
});

/** Looks at a page in light and dark, on a phone and in print. */
async function looksRight(page: Page, name: string): Promise<void> {
  const look = async (mode: string) => {
    const { smallestText, overflow, cut } = await measureLook(page);
    assert.ok(smallestText >= 10, `${name}, ${mode}: text of ${smallestText} px`);
    assert.ok(overflow <= 0, `${name}, ${mode}: ${overflow} px too wide`);
    if (mode === 'print') assert.equal(cut, [], `${name}, ${mode}`);
    assert.equal(await axeFindings(page), [], `${name}, ${mode}`);
  };
  await look('light');
  await page.emulateMedia({ colorScheme: 'dark' });
  await look('dark');
  await page.setViewportSize({ width: 375, height: 760 });
  await look('phone');
  // The width of A4 with the browser's margins.
  await page.setViewportSize({ width: 718, height: 1000 });
  await page.emulateMedia({ colorScheme: 'light', media: 'print' });
  await look('print');
}

browserTest(
  'in light and dark, on a phone and in print all can be read, and axe-core finds nothing',
  async () => {
    const { url } = await writePage(largeReport(12));
    await withPage(url, async (page) => {
      await looksRight(page, 'report');
    });
    const { a } = await phantoms();
    await withPage(`${pageOf(a)}#case=synth_001`, async (page) => {
      await page.getByText('Files, and commands').click();
      await looksRight(page, 'case');
    });
    const training = join(temporaryFolder(), 'training.html');
    const epochs = [1, 2].map((epoch) => ({
      epoch,
      step: epoch,
      loss: 1 / epoch,
      learningRate: 0.1,
      seconds: 1,
    }));
    writeFileSync(training, trainingPage('spleen', epochs));
    await withPage(pathToFileURL(training).href, (page) => looksRight(page, 'training'));
  },
);

/**
 * Does something that the browser keeps for a page, until the page shows it when it is loaded again. Chromium
 * stores such things a little later; on a busy machine a page that is reloaded at once loses them.
 */
async function keptByBrowser(
  page: Page,
  act: () => Promise<void>,
  isThere: () => Promise<boolean>,
): Promise<void> {
  for (let attempt = 0; attempt < 20; attempt++) {
    await act();
    await page.waitForTimeout(200 * attempt);
    await page.reload();
    if (await isThere()) return;
  }
  throw new Error('The page does not show what was stored.');
}

browserTest('the theme follows the system until it is switched, and then is kept', async () => {
  const output = await blocks();
  const ground = (page: Page) => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  await withPage(pageOf(output), async (page) => {
    assert.is(await ground(page), 'rgb(255, 255, 255)');
    const isDark = async () => (await ground(page)) === 'rgb(20, 21, 24)';
    const darken = async () => {
      await page.getByRole('button', { name: 'Switch between light and dark' }).click();
      assert.ok(await isDark());
    };
    await keptByBrowser(page, darken, isDark);
  });
  await withPage(pageOf(output), async (page) => assert.is(await ground(page), 'rgb(20, 21, 24)'), {
    colorScheme: 'dark',
  });
});

browserTest(
  'the plots have the numbers of the run\'s files, and "Provenance" says the same as the plots',
  async () => {
    const { a } = await phantoms();
    const [{ dice_spleen: dice }] = readCsv(join(a, 'metrics.csv'));
    const [timings] = readCsv(join(a, 'timings.csv'));
    const note = JSON.parse(readFileSync(join(a, 'report/cases/synth_001/case.json'), 'utf8'));
    const { prediction, reference } = note.labels[0];
    const { lanes } = JSON.parse(readFileSync(join(a, 'run.json'), 'utf8'));
    await withPage(pageOf(a), async (page) => {
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
      assert.ok(prediction > 0 && reference > 0);
      const seconds = await value('[data-plot="steps"] [data-row="report"] .dot', 'data-value');
      assert.ok(Math.abs(seconds - Number(timings.report)) < 1e-3);
      const row = page.locator('[data-plot="lanes"] [data-row="cpu"]');
      assert.is(Number(await row.getAttribute('data-mean')), lanes.cpu);
      const percent = `${Math.round(100 * lanes.cpu)} %`;
      assert.match(await row.innerHTML(), new RegExp(`>${percent} busy<`));
      assert.match(await page.locator('#provenance').innerText(), new RegExp(`cpu ${percent}`));
    });
  },
);

browserTest(
  'a case shows one label or all, each slice that was drawn, and where the error is largest',
  async () => {
    const { a, image } = await phantoms();
    await withPage(`${pageOf(a)}#case=synth_001`, async (page) => {
      assert.is(await page.getByText('To look at this case in 3D').count(), 1);
      await loaded(page);
      const images = page.locator('dialog img');
      assert.is(await images.count(), 9);
      assert.ok(
        await images.evaluateAll((all) => all.every((one) => (one as HTMLImageElement).naturalWidth > 0)),
      );
      const frame = '.plane .stack';
      const all = await look(page, frame);
      assert.ok(all.greys > 50 && all.coloured > 50, JSON.stringify(all));

      const picker = page.getByRole('group', { name: 'Label' }).last();
      assert.equal(await picker.locator('button').allInnerTexts(), [
        ...['All labels', 'spleen', 'liver', 'kidneys', 'stomach', 'aorta', 'lungs', 'spine'],
      ]);
      await picker.getByRole('button', { name: 'spleen' }).click();
      await loaded(page);
      const position = page.locator('.position');
      const note = JSON.parse(readFileSync(join(a, 'report/cases/synth_001/case.json'), 'utf8'));
      const [spleen] = note.labels;
      assert.is(await position.innerText(), `slice ${note.slices.numbers[spleen.worst]} of 40`);
      const one = await look(page, frame);
      assert.ok(one.coloured > 20 && one.coloured < all.coloured, JSON.stringify([one, all]));

      await page.getByRole('slider', { name: 'Axial slice' }).focus();
      await page.keyboard.press('Home');
      assert.is(await position.innerText(), `slice ${note.slices.numbers[0]} of 40`);
      await page.getByRole('button', { name: 'Largest error' }).click();
      assert.is(await position.innerText(), `slice ${note.slices.numbers[spleen.worst]} of 40`);
      await page.keyboard.press('o');
      assert.is((await look(page, frame)).coloured, 0);
      // What is shown stays the same in the next case.
      await page.keyboard.press('ArrowRight');
      assert.is(await page.locator('#case-title').innerText(), 'synth_002');
      assert.is(await page.getByRole('checkbox', { name: 'contours' }).isChecked(), false);
      assert.is(await picker.locator('[aria-pressed="true"]').innerText(), 'spleen');

      await page.getByText('Files, and commands').click();
      const report = join(a, 'report');
      const commands = await page.locator('.files code').allInnerTexts();
      const prediction = join(report, 'cases/synth_002/prediction.nii.gz');
      assert.equal(commands.slice(0, 2), [image, prediction]);
      assert.is(commands[3], `itksnap -g '${image}' -s '${prediction}'`);
      assert.match(commands[5], /^Slicer --python-code 'slicer\.util\.loadVolume\("/);
    });
  },
);

/** Waits until all pictures are there. */
const loaded = (page: Page) =>
  page.waitForFunction(() =>
    [...document.querySelectorAll('dialog img')].every((image) => (image as HTMLImageElement).complete),
  );

/** What the page saves on a click. */
async function saved(page: Page, button: Locator): Promise<{ name: string; content: Buffer }> {
  const [download] = await Promise.all([page.waitForEvent('download'), button.click()]);
  return { name: download.suggestedFilename(), content: readFileSync(await download.path()) };
}

browserTest('plots are saved as SVG and PNG, and the table as CSV', async () => {
  await withPage(
    pageOf(await blocks()),
    async (page) => {
      const card = page.locator('figure.card', { hasText: 'Volumes' });
      const svg = await saved(page, card.getByRole('button', { name: 'Save the plot as SVG' }));
      assert.is(svg.name, 'blocks-volume-1.svg');
      const text = svg.content.toString();
      // Both plots beside each other, with their style as attributes, in the light theme's colours.
      assert.match(text, /^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" viewBox="0 0 736 340"/);
      assert.match(text, /<circle [^>]*fill="rgb\(0, 114, 178\)"/);
      assert.not.match(text, /class=|style=|data-/);
      const png = await saved(page, card.getByRole('button', { name: 'Save the plot as PNG' }));
      assert.is(png.name, 'blocks-volume-1.png');
      assert.is(png.content.subarray(1, 4).toString(), 'PNG');
      assert.equal([png.content.readUInt32BE(16), png.content.readUInt32BE(20)], [736 * 3, 340 * 3]);
      const csv = await saved(page, page.getByRole('button', { name: 'Save CSV' }));
      assert.is(csv.name, 'blocks-cases.csv');
      assert.match(csv.content.toString(), /^case,dice_1,volume_ml_1,volume_ml_ref_1\r\ncase-2,0\.7,/);
    },
    { colorScheme: 'dark' },
  );
});

browserTest('flags and notes are kept in the browser, saved, and read again by the report', async () => {
  const output = await blocks();
  const file = join(temporaryFolder(), 'notes.json');
  await withPage(`${pageOf(output)}#case=other`, async (page) => {
    const note = async () => {
      await page.getByRole('checkbox', { name: 'Flag' }).check();
      await page.getByRole('textbox', { name: 'Note' }).fill('left <b> kidney\nis cut off');
      await page.keyboard.press('Escape');
      await page.getByLabel('Filter').fill('is:flagged is:noted');
      assert.equal(await names(page), ['other']);
    };
    // Without saving, they are still there when the page is opened again.
    await keptByBrowser(page, note, async () => (await page.locator('#table .mark').count()) === 1);
    assert.is(
      await page.locator('#table .mark').getAttribute('title'),
      'flagged: left <b> kidney\nis cut off',
    );
    assert.match(await page.locator('#notes-state').innerText(), /^1 note is only in this browser/);
    await page.evaluate(() => Reflect.deleteProperty(window, 'showSaveFilePicker'));
    const { name, content } = await saved(page, page.getByRole('button', { name: 'Save notes' }));
    assert.is(name, 'notes.json');
    writeFileSync(file, content);
    // Browsers with the File System Access API write to the file that the user chooses.
    const written = await page.evaluate(async () => {
      let text = '';
      const writer = { write: async (part: string) => (text += part), close: async () => {} };
      Object.assign(window, { showSaveFilePicker: async () => ({ createWritable: async () => writer }) });
      document.getElementById('save-notes')!.click();
      await new Promise((resolve) => setTimeout(resolve));
      return text;
    });
    assert.is(written, content.toString());
  });
  const { code, stderr } = await voxstream(['report', output, '--notes', file]);
  assert.is(code, 0, stderr);
  assert.equal(JSON.parse(readFileSync(join(output, 'report/notes.json'), 'utf8')).cases.length, 1);
  await withPage(pageOf(output), async (page) => {
    assert.equal(await page.locator('#table .mark').allInnerTexts(), ['⚑']);
    assert.is(await page.getByRole('button', { name: 'Save notes' }).isVisible(), false);
  });
});

browserTest('compare --report shows two runs side by side, with the contours of both', async () => {
  const { a, b } = await phantoms();
  const folder = join(temporaryFolder(), 'comparison');
  const scans = join(temporaryFolder(), 'scans.csv');
  writeFileSync(scans, 'case,scanner\nsynth_001,GE\nsynth_002,Canon\n');
  const notes = join(temporaryFolder(), 'notes.json');
  const changed = '2026-01-01T00:00:00.000Z';
  const noted = { case: 'synth_002', flagged: true, text: 'moved', changed };
  writeFileSync(notes, JSON.stringify({ format: 'voxstream-notes-1', cases: [noted] }));
  const command = ['compare', a, b, '--report', folder, '--subgroups', scans, '--by', 'scanner'];
  const { code, stdout, stderr } = await voxstream([...command, '--notes', notes]);
  assert.is(code, 0, stderr);
  assert.match(stdout, /\nspleen +-0\.\d+ /);
  assert.match(stdout, /Mean Dice: B − A by scanner, and the number of cases:\n +Canon \(1\) +GE \(1\)\n/);
  assert.match(stderr, /index\.html: 2 case\(s\), pictures drawn of \d/);
  const [rowsA, rowsB] = [a, b].map((output) => readCsv(join(output, 'metrics.csv')));
  await withPage(pathToFileURL(join(folder, 'index.html')).href, async (page) => {
    const dot = page.locator('[data-plot="paired-dice_diff_spleen"] .dot').first();
    assert.ok(Math.abs(Number(await dot.getAttribute('data-value')) - Number(rowsB[0].dice_spleen)) < 1e-5);
    const heads = page.locator('#subgroups thead th');
    assert.equal(await heads.allInnerTexts(), ['label', 'Canon (1)', 'GE (1)']);
    assert.equal(await page.locator('#table .mark').allInnerTexts(), ['⚑']);
    await looksRight(page, 'comparison');
    await page.emulateMedia({ media: 'screen' });
    await page.setViewportSize({ width: 1280, height: 860 });
    const mover = page.locator('.mover').first();
    const id = await mover.getByRole('button').innerText();
    const place = rowsA.findIndex((row) => row.case === id);
    const worse = (label: string) => Number(rowsA[place][label]) - Number(rowsB[place][label]);
    const labels = Object.keys(rowsA[place]).filter((name) => /^dice_(?!mean)/.test(name));
    const [label] = labels.sort((one, other) => worse(other) - worse(one));
    const [from, to] = [rowsA, rowsB].map((rows) => Number(rows[place][label]).toFixed(3));
    assert.is(await mover.locator('p').innerText(), `Dice, ${label.slice(5)}: ${from} → ${to}`);
    await mover.getByRole('button').click();
    await loaded(page);
    assert.equal(
      await page
        .locator('.plane')
        .first()
        .locator('img[data-mask]')
        .evaluateAll((all) => all.map((image) => (image as HTMLElement).dataset.mask)),
      ['reference', 'b', 'a'],
    );
    assert.ok((await look(page, '.plane .stack')).coloured > 50);
    await page.locator('dialog').getByRole('button', { name: 'spine' }).click();
    await page.getByRole('button', { name: 'Largest difference' }).click();
    const note = JSON.parse(readFileSync(join(folder, 'cases', id, 'case.json'), 'utf8'));
    const { worst } = note.labels.find(({ name }: { name: string }) => name === 'spine');
    const position = page.locator('.position');
    assert.is(await position.innerText(), `slice ${note.slices.numbers[worst]} of 40`);
    await page.getByText('Files, and commands').click();
    const commands = (await page.locator('.files tbody th').allInnerTexts()).slice(-4);
    assert.equal(commands, ['ITK-SNAP, A', 'ITK-SNAP, B', 'ITK-SNAP, reference', '3D Slicer']);
    assert.equal(await axeFindings(page), []);
  });
  await serving(command, async (url) => {
    const view = async (page: Page) => {
      await ready(page);
      assert.match(await page.locator('#status').innerText(), /image .* A .* B .* reference /s);
      const all = (await look(page, 'canvas')).coloured;
      for (const key of ['a', 'b', 'r']) await page.keyboard.press(key);
      assert.ok((await look(page, 'canvas')).coloured < all / 20);
    };
    await withPage(`${url}3d/?case=synth_001`, view, { viewport: { width: 640, height: 420 } });
  });
  const refused = await voxstream(['compare', a, b, '--report', join(a, 'report')]);
  assert.is(refused.code, 1);
  assert.match(refused.stderr, /report\/index\.html exists and is not a comparison by voxstream/);
});

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
  await serving(['report', (await phantoms()).a], async (url) => {
    const view = async (page: Page) => {
      const axial = await look(page, 'dialog .stack');
      assert.ok(axial.greys > 100 && axial.coloured > 50, JSON.stringify(axial));
      await page.getByRole('link', { name: '3D view' }).click();
      await ready(page);
      await page.waitForURL(/\/3d\/\?case=synth_001$/);
      const both = await look(page, 'canvas');
      assert.ok(both.greys > 100 && both.coloured > 1000, JSON.stringify(both));
      assert.match(await page.locator('#status').innerText(), /image -?\d.*prediction .*reference /s);

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
      await page.waitForURL(/#case=synth_001$/);
    };
    // WebGL without a GPU takes as long as there are pixels.
    await withPage(`${url}#case=synth_001`, view, { viewport: { width: 800, height: 500 } });
  });
});

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

test('report refuses a wrong folder or port with a sentence', async () => {
  const wrong = await voxstream(['report', temporaryFolder()]);
  assert.is(wrong.code, 1);
  assert.match(
    wrong.stderr,
    /^voxstream: .* is not the folder of a run: .*Give the folder that is the output of the pipeline\.\n$/,
  );
  const alone = await voxstream(['report', '.', '--by', 'scanner']);
  assert.is(alone.code, 1);
  assert.match(alone.stderr, /--subgroups and --by go together/);
  const port = await voxstream(['report', '.', '--port', 'a']);
  assert.is(port.code, 1);
  assert.match(port.stderr, /It must be a whole number from 0 to 65535/);
});

test.run();
