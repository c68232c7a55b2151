import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readVolume } from '#src/formats/index.js';
import { block, dataset, pageDataOf } from '../report/dataset.js';

/** The dataset of `ids`, a run over it with a report, and what it left. */
async function reported(ids: readonly string[], steps?: string) {
  const { run, output, items } = await dataset(ids, steps ? { steps } : {});
  const report = (...path: string[]) => join(output, 'report', ...path);
  const page = () => {
    const html = readFileSync(report('index.html'), 'utf8');
    return { html, data: pageDataOf(html) };
  };
  return { run, report, page, items };
}

test('a report has a page and pictures of every case', async () => {
  const { run, report, page } = await reported(['a', 'b']);
  assert.is((await run()).done, 2);
  const { data } = page();
  assert.equal(
    data.cases.map(({ id }: { id: string }) => id),
    ['a', 'b'],
  );
  // Nine of ten columns overlap.
  const columns = data.columns.map(({ name }: { name: string }) => name);
  assert.equal(columns, ['dice_1', 'volume_ml_1', 'volume_ml_ref_1']);
  for (const [i, value] of [0.9, 0.8, 0.8].entries()) {
    assert.ok(Math.abs(data.cases[0].values[i] - value) < 1e-12);
  }
  const { planes, window, masks } = data.cases[0].pictures;
  assert.equal(window, [-160, 240]);
  assert.equal(masks, ['prediction', 'reference']);
  assert.equal(planes[0], { name: 'axial', mm: [20, 16] });
  assert.equal(planes[1], { name: 'coronal', mm: [20, 20] });
  const png = readFileSync(report('cases', 'a', 'axial.png'));
  assert.equal([png.readUInt32BE(16), png.readUInt32BE(20)], [20, 16]);
  // LPS is shown as it is stored: x from 4 to 14, y from 4 to 12.
  const svg = readFileSync(report('cases', 'a', 'axial-reference.svg'), 'utf8');
  assert.ok(svg.includes('d="M4 4h10v8h-10z"'));
  const mask = await readVolume(report('cases', 'b', 'prediction.nii.gz'), { kind: 'label' });
  assert.equal(mask.data, block([5, 4, 2]).data);
});

test('pictures show the image and the label on the grid of the prediction, whatever steps did to them', async () => {
  const steps =
    '[load, orient: { axcodes: RAS, keys: [image, label] }, scaleIntensityRange: { aMin: 0, aMax: 40 }]';
  const { run, report } = await reported(['a'], steps);
  assert.is((await run()).done, 1);
  const note = JSON.parse(readFileSync(report('cases', 'a', 'case.json'), 'utf8'));
  assert.equal(note.window, [-160, 240]);
  const svg = readFileSync(report('cases', 'a', 'axial-reference.svg'), 'utf8');
  assert.ok(svg.includes('d="M4 4h10v8h-10z"'));
});

test('resuming keeps the pictures of earlier cases, and makes lost ones again', async () => {
  const { run, report, page } = await reported(['a', 'b', 'c']);
  await run();
  rmSync(report('cases', 'b', 'coronal.png'));
  const again = await run({ resume: true });
  assert.equal([again.done, again.skipped], [1, 2]);
  assert.ok(existsSync(report('cases', 'b', 'coronal.png')));
  assert.is(page().data.cases.filter(({ pictures }: { pictures: unknown }) => pictures).length, 3);
});

test('pictures of cases that are no longer in the run go; other folders stay', async () => {
  const { run, report } = await reported(['a', 'b']);
  await run();
  writeFileSync(report('cases', 'notes.txt'), 'mine');
  await run({ limit: 1 });
  assert.equal(readdirSync(report('cases')).sort(), ['a', 'notes.txt']);
});

test('a failed case is listed with its message', async () => {
  const { run, page, items } = await reported(['a', '<img src=x>']);
  writeFileSync(items[1].label, 'no image');
  assert.is((await run()).failed, 1);
  const { html, data } = page();
  assert.is(data.cases.length, 1);
  assert.ok(html.includes('&lt;img src=x&gt;'));
  assert.not.ok(html.includes('<img src=x>'));
});

test('a case named like markup is text wherever it stands', async () => {
  const id = '"></script><script>alert(1)</script>';
  const { run, report, page } = await reported([id]);
  await run();
  const { html, data } = page();
  assert.is(data.cases[0].id, id);
  assert.not.ok(html.includes('<script>alert'));
  const folder = readdirSync(report('cases'));
  assert.is(folder.length, 1);
  assert.match(folder[0], /^[^<>"/:]+-[0-9a-f]{8}$/);
  assert.is(data.cases[0].pictures.folder, `cases/${encodeURIComponent(folder[0])}`);
});

test('probabilities cannot be drawn, and the message says what to do', async () => {
  const { run } = await reported(['a'], '[load: { labelKeys: [label] }]');
  const { failures } = await run();
  assert.match(
    failures[0].message,
    /^report draws label maps, but pred of case a is an image\. Add asDiscrete/,
  );
});

test.run();
