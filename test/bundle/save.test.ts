import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { float32Text } from '#src/bundle/run/reports.js';
import { savedFile } from '#src/bundle/run/save.js';
import { DataError } from '#src/errors.js';

const settings = {
  key: 'pred',
  source: 'image',
  folder: 'out',
  postfix: 'trans',
  extension: '.nii.gz',
  separateFolder: true,
  dataRoot: '',
  resample: true,
  interpolation: 'nearest',
  padding: 'border',
} as const;

test("files have MONAI's names: the image's name, the postfix, and a folder for each image", () => {
  assert.is(savedFile(settings, '/data/a.b.nii.gz'), 'out/a.b/a.b_trans.nii.gz');
  assert.is(savedFile({ ...settings, separateFolder: false }, 'img.nii'), 'out/img_trans.nii.gz');
  assert.is(savedFile({ ...settings, postfix: '', extension: '.nii' }, 'img.mha'), 'out/img/img.nii');
});

test('folders below data_root_dir are kept, and nothing is written outside of the output folder', () => {
  const rooted = { ...settings, dataRoot: '/data' };
  assert.is(savedFile(rooted, '/data/site/a.nii.gz'), 'out/site/a/a_trans.nii.gz');
  assert.throws(
    () => savedFile(rooted, '/other/a.nii.gz'),
    (error: unknown) =>
      error instanceof DataError && /is not below data_root_dir \(\/data\)/.test(error.message),
  );
});

test('float32 values are written with as few digits as numpy writes', () => {
  assert.is(float32Text(Math.fround(0.14003591)), '0.14003591');
  assert.is(float32Text(Math.fround(0.501261)), '0.501261');
  assert.is(float32Text(1), '1.0');
  assert.is(float32Text(Math.fround(1e-5)), '1e-05');
  assert.is(float32Text(Number.NaN), 'nan');
});

test.run();
