import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { shared, sharedPath, testNeeding } from '../needs.js';
import { assertGolden } from './goldenCase.js';
import { readCsv, temporaryFolder, voxstream } from './harness.js';

const model = `model=${sharedPath('models/spleen_demo')}`;
const dataset = `dataset=${sharedPath('data/mini')}`;
const needs = [shared('models/spleen_demo'), shared('data/mini'), shared('golden/e2e')];

testNeeding(needs, 'spleen-evaluate gives the golden segmentation, its Dice, and the mean', async () => {
  const output = temporaryFolder();
  const set = [dataset, 'source.split=train', model, `output=${output}`].flatMap((one) => ['--set', one]);
  const { code, stderr, stdout } = await voxstream(['run', 'pipelines/spleen-evaluate.yaml', ...set]);
  assert.is(code, 0, stderr);
  await assertGolden(output, 'ct_1', 'imagesTr');
  const expected = JSON.parse(readFileSync(sharedPath('golden/e2e/expected.json'), 'utf8')).ct_1.dice;
  const rows = readCsv(join(output, 'metrics.csv'));
  assert.equal(
    rows.map((row) => row.case),
    ['ct_1'],
  );
  assert.ok(Math.abs(Number(rows[0].dice_spleen) - expected) < 1e-4, rows[0].dice_spleen);
  const summary = JSON.parse(readFileSync(join(output, 'summary.json'), 'utf8'));
  assert.ok(Math.abs(summary.metrics.dice_spleen.mean - expected) < 1e-4);
  assert.is(readCsv(join(output, 'failures.csv')).length, 0);
  const run = JSON.parse(readFileSync(join(output, 'run.json'), 'utf8'));
  assert.is(run.done, 1);
  assert.match(run.models[0].sha256, /^116fa6ba/);
  assert.match(stdout, /dice_spleen +1 +0\.977/);
});

testNeeding(needs, 'spleen-inference segments the test images, and ignores ._* files of macOS', async () => {
  const output = temporaryFolder();
  const set = [dataset, model, `output=${output}`].flatMap((one) => ['--set', one]);
  const { code, stderr } = await voxstream(['run', 'pipelines/spleen-inference.yaml', ...set]);
  assert.is(code, 0, stderr);
  await assertGolden(output, 'ct_2', 'imagesTs');
  await assertGolden(output, 'ct_3', 'imagesTs');
  assert.not.ok(existsSync(join(output, '._ct_2_seg.nii.gz')));
});

test.run();
