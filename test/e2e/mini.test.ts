import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readVolume } from '#src/formats/index.js';
import { readCsv, shared, sharedTest, temporaryFolder, voxstream } from './harness.js';

/** The label map on the image's own grid equals MONAI 1.3.2's, but for 1 voxel in 100,000 (ties of the argmax). */
async function compare(output: string, id: string, split: string): Promise<void> {
  const pred = await readVolume(join(output, `${id}_seg.nii.gz`), { kind: 'label' });
  const expected = await readVolume(join(shared, `golden/e2e/${id}_expected.nii.gz`), { kind: 'label' });
  const image = await readVolume(join(shared, `data/mini/${split}/${id}.nii.gz`), { kind: 'image' });
  assert.equal(pred.size, expected.size);
  pred.affine.forEach((value, i) => {
    assert.ok(Math.abs(value - image.affine[i]) < 1e-6, `affine[${i}] of ${id}`);
  });
  assert.equal(pred.origin?.nifti?.sformCode, image.origin?.nifti?.sformCode);
  assert.equal(pred.origin?.nifti?.qformCode, image.origin?.nifti?.qformCode);
  let different = 0;
  for (let i = 0; i < pred.data.length; i++) if (pred.data[i] !== expected.data[i]) different++;
  assert.ok(different <= pred.data.length / 100_000, `${different} voxels of ${id} differ`);
}

const model = `model=${shared}/models/spleen_demo`;
const dataset = `dataset=${shared}/data/mini`;

sharedTest('spleen-evaluate gives the golden segmentation, its Dice, and the mean', async () => {
  const output = temporaryFolder();
  const set = [dataset, 'source.split=train', model, `output=${output}`].flatMap((one) => ['--set', one]);
  const { code, stderr, stdout } = await voxstream(['run', 'pipelines/spleen-evaluate.yaml', ...set]);
  assert.is(code, 0, stderr);
  await compare(output, 'ct_1', 'imagesTr');
  const expected = JSON.parse(readFileSync(join(shared, 'golden/e2e/expected.json'), 'utf8')).ct_1.dice;
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

sharedTest('spleen-inference segments the test images, and AppleDouble files are no cases', async () => {
  const output = temporaryFolder();
  const set = [dataset, model, `output=${output}`].flatMap((one) => ['--set', one]);
  const { code, stderr } = await voxstream(['run', 'pipelines/spleen-inference.yaml', ...set]);
  assert.is(code, 0, stderr);
  await compare(output, 'ct_2', 'imagesTs');
  await compare(output, 'ct_3', 'imagesTs');
  assert.not.ok(existsSync(join(output, '._ct_2_seg.nii.gz')));
});

test.run();
