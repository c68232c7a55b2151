import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { buildNifti } from '../formats/buildNifti.js';
import { bandModel, readCsv, temporaryFolder, voxstream } from './harness.js';

// What a run needs is looked for before its first case.

const size = [16, 16, 8];
const voxels = 2048;
const sform = { code: 1, rows: [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0] };
const image = Array.from({ length: voxels }, (_, i) => (i * 7) % 200);
const label = Array.from({ length: voxels }, (_, i) => Number(i % 5 === 0));

const folder = temporaryFolder();
const put = (name: string, content: Buffer | string) => {
  mkdirSync(dirname(join(folder, name)), { recursive: true });
  writeFileSync(join(folder, name), content);
};
for (const id of ['a', 'b']) put(`ds/imagesTr/${id}.nii`, buildNifti({ dims: size, values: image, sform }));
put('ds/labelsTr/a.nii', buildNifti({ dims: size, datatype: 2, values: label, sform }));
const pipeline = {
  ...{ name: 'p', output: 'out' },
  source: { decathlon: { root: 'ds', validation: 0 } },
  steps: [
    'load',
    { scaleIntensityRange: { aMin: -57, aMax: 164, bMin: 0, bMax: 1, clip: true } },
    { inference: { model: bandModel, roiSize: 16 } },
    { asDiscrete: { argmax: true } },
    'dice',
    { volume: {} },
  ],
  sinks: [{ nifti: { keys: 'pred', postfix: 'seg' } }, 'metricsCsv'],
  runtime: { device: 'cpu' },
};
put('p.yaml', JSON.stringify(pipeline));
put('nosinks.yaml', JSON.stringify({ ...pipeline, steps: ['load'], sinks: [] }));

async function command(...args: string[]) {
  rmSync(join(folder, 'out'), { recursive: true, force: true });
  const ended = await voxstream(args, {}, folder);
  return { ...ended, text: ended.stdout + ended.stderr };
}
const segmentations = () => readdirSync(join(folder, 'out')).filter((name) => name.endsWith('.nii.gz'));

test('a metric without a reference in any case is refused before the first case', async () => {
  for (const args of [
    ['run', 'p.yaml'],
    ['run', 'p.yaml', '--dry-run'],
    ['validate', 'p.yaml'],
  ]) {
    const { code, stderr } = await command(...args, '--set', 'source={glob: {image: "ds/imagesTr/*.nii"}}');
    assert.is(code, 1);
    assert.match(
      stderr,
      /dice needs label, but none of the 2 case\(s\) has such a file\. .*dice\.disabled=true/,
    );
    assert.not(existsSync(join(folder, 'out')));
  }
});

test('a case whose metric fails is written all the same, and a warning says so before', async () => {
  const { code, stderr } = await command('run', 'p.yaml');
  assert.is(code, 2, stderr);
  assert.match(stderr, /Warning: dice needs label, but 1 of 2 cases have no such file .*: b\./);
  assert.equal(segmentations().sort(), ['a_seg.nii.gz', 'b_seg.nii.gz']);
  assert.equal(
    readCsv(join(folder, 'out/failures.csv')).map((row) => [row.case, row.step]),
    [['b', 'dice']],
  );
  // A failed case has no row of metrics.
  assert.equal(
    readCsv(join(folder, 'out/metrics.csv')).map((row) => row.case),
    ['a'],
  );
});

test('optional metrics leave out cases without a reference', async () => {
  const { code, text } = await command('run', 'p.yaml', '--set', 'dice.optional=true');
  assert.is(code, 0, text);
  assert.not.match(text, /needs label/);
  assert.match(text, /Warning: dice will be measured in 1 of 2 cases: the others have no label\./);
  const [first, second] = readCsv(join(folder, 'out/metrics.csv'));
  assert.ok(first['dice_1'] !== '' || first['dice_spleen'] !== '');
  assert.is(second.case, 'b');
});

test('a pipeline that saves nothing says so', async () => {
  const { code, text } = await command('run', 'nosinks.yaml');
  assert.is(code, 0, text);
  assert.match(text, /Warning: The pipeline has no sinks, so it saves no results/);
});

test('validate and --dry-run fail if the dataset, a model or the device is missing', async () => {
  const missing = [
    ['source.root=nowhere', /The dataset folder nowhere \(source\.root\) does not exist/],
    ['inference.model=no_such_model', /no_such_model/],
    // Only Windows has DirectML.
    ...(process.platform === 'win32' ? [] : [['runtime.device=dml', /dml/i] as const]),
  ] as const;
  for (const [set, pattern] of missing) {
    for (const args of [
      ['validate', 'p.yaml'],
      ['run', 'p.yaml', '--dry-run'],
    ]) {
      const { code, stderr } = await command(...args, '--set', set);
      assert.is(code, 1, `${args.join(' ')} ${set}: ${stderr}`);
      assert.match(stderr, pattern);
    }
  }
  assert.is((await command('validate', 'p.yaml')).code, 0);
  assert.is((await command('run', 'p.yaml', '--dry-run')).code, 0);
});

test('a device that was asked for by name must be there, also without a model', async () => {
  for (const args of [
    ['run', 'nosinks.yaml'],
    ['validate', 'nosinks.yaml'],
  ]) {
    const { code, stderr } = await command(...args, '--device', 'dml:7');
    assert.is(code, 1, args.join(' '));
    assert.match(stderr, /The device dml:7 failed its test: /);
  }
});

test.run();
