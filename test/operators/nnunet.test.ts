import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { makeCase } from '#src/case.js';
import { readVolume } from '#src/formats/index.js';
import { readNpz } from '#src/formats/npz.js';
import { writeNifti } from '#src/formats/writeNifti.js';
import { comparerFor } from '#src/pipeline/expectations.js';
import { loadPipelineData, parsePipeline } from '#src/pipeline/load.js';
import { runPipeline } from '#src/pipeline/run.js';
import { createRuntime } from '#src/runtime/runtime.js';
import { Random } from '#src/volume/random.js';
import { makeVolume, type Vec3, voxelCount } from '#src/volume/volume.js';
import { readCsv, temporaryFolder, voxstream } from '../e2e/harness.js';
import { writeTinyNnunet } from '../models/tinyNnunet.js';

const runtime = createRuntime({ device: 'cpu:2', workers: 2 });
test.after(() => runtime.close());
const place = temporaryFolder();
const model = join(place, 'tiny');
await writeTinyNnunet(model);

// Thirteen slices of 3.1 mm become sixteen, which are 0.7 % thicker than the plan's 2.5 mm.
const size: Vec3 = [14, 12, 13];
const random = new Random(3);
const data = Float32Array.from({ length: voxelCount(size) }, () => random.normal(0, 100));
// The first two slices are cropped.
data.fill(0, 0, 2 * size[0] * size[1]);
const image = join(place, 'a_0000.nii.gz');
await writeNifti(
  image,
  makeVolume({ data, size, affine: [0, -2, 0, 9, 1.5, 0, 0, 5, 0, 0, 3.1, 2, 0, 0, 0, 1] }),
);

const pipelineOf = (name: string, steps: readonly unknown[]) => ({
  name,
  output: join(place, name),
  source: { nnunetImages: { dir: place } },
  steps: ['load', ...steps],
  sinks: [{ nifti: { keys: 'pred', postfix: '' } }],
});

test('a pipeline from a text runs the steps that nnunet stands for, as one from a file does', async () => {
  const steps = [{ nnunet: { model } }];
  const loaded = await loadPipelineData(pipelineOf('loaded', steps), 'test');
  const parsed = parsePipeline(JSON.stringify(pipelineOf('parsed', steps)));
  assert.equal(
    parsed.steps.map(({ id }) => id),
    ['load', 'nnunet'],
  );
  const stages: string[][] = [];
  for (const pipeline of [loaded, parsed]) {
    assert.is((await runPipeline(pipeline, { runtime })).failures.length, 0);
    stages.push(Object.keys(readCsv(join(pipeline.output, 'timings.csv'))[0]));
  }
  assert.equal(stages[0], stages[1]);
  assert.ok(stages[0].includes('invert+asDiscrete'), stages[0].join());
  const [first, second] = await Promise.all(
    [loaded, parsed].map(({ output }) => readVolume(join(output, 'a.nii.gz'), { kind: 'label' })),
  );
  assert.equal(first.data, second.data);
  assert.ok(new Set(first.data).size > 1);
});

test('its steps deliver what the card states, and other steps are compared with it', async () => {
  const compare = async (steps: readonly unknown[]) => {
    const pipeline = await loadPipelineData(pipelineOf('compared', steps), 'test');
    const comparer = await comparerFor(pipeline, runtime);
    return (await comparer?.(makeCase({ id: 'a', files: { image } }))) ?? [];
  };
  const rows = await compare([{ nnunet: { model } }]);
  assert.equal(
    rows.filter(({ same }) => !same),
    [],
  );
  const first = rows.map(({ what, expects }) => [what, expects]);
  assert.equal(first.slice(0, 2), [
    ['voxel size', '2 x 2 x 2.5 mm'],
    ['channel count', '1'],
  ]);
  assert.equal(
    first.slice(2).map(([what]) => what),
    ['step normalizeByPlans', 'step resampleByPlans'],
  );
  const others = await compare([
    { normalizeByPlans: { channels: [{ scheme: 'none' }] } },
    { inference: { model: `${model}/fold_0` } },
  ]);
  assert.equal(
    others.filter(({ same }) => !same).map(({ what, gets }) => [what, gets]),
    [
      ['voxel size', '1.5 x 2 x 3.1 mm'],
      ['step normalizeByPlans', '{ channels: [{ scheme: "none" }] }'],
      ['step resampleByPlans', 'no such step'],
    ],
  );
});

test('saved probabilities are those of the label maps, and their mean is an ensemble', async () => {
  const count = voxelCount(size);
  const saved: Float32Array[] = [];
  for (const fold of [0, 1]) {
    const name = `fold${fold}`;
    const pipeline = await loadPipelineData(
      {
        ...pipelineOf(name, [{ nnunet: { model, folds: [fold], probabilities: true } }]),
        sinks: [{ nifti: { keys: 'pred', postfix: '' } }, 'nnunetProbabilities'],
      },
      'test',
    );
    assert.is((await runPipeline(pipeline, { runtime })).failures.length, 0);
    const { shape, data: values } = await readNpz(join(place, name, 'a.npz'), 'probabilities');
    assert.equal(shape, [3, ...[...size].reverse()]);
    const { data: labels } = await readVolume(join(place, name, 'a.nii.gz'), { kind: 'label' });
    for (let i = 0; i < count; i++) {
      const classes = [values[i], values[i + count], values[i + 2 * count]];
      assert.ok(Math.abs(classes[0] + classes[1] + classes[2] - 1) < 1e-6);
      assert.is(classes.indexOf(Math.max(...classes)), labels[i]);
      if (i < 2 * size[0] * size[1]) assert.equal(classes, [1, 0, 0]);
    }
    saved.push(values);
  }
  const [first, second] = ['fold0', 'fold1'].map((name) => join(place, name));
  writeFileSync(join(first, 'plans.json'), '{ "image_reader_writer": "SimpleITKIO" }');
  writeFileSync(join(first, 'dataset.json'), '{ "labels": { "background": 0, "a": 1, "b": 2 } }');
  const out = join(place, 'ensemble');
  const ended = await voxstream([
    'nnunet',
    'ensemble',
    '-i',
    first,
    second,
    '-o',
    out,
    '-np',
    '3',
    '-save_npz',
  ]);
  assert.is(ended.code, 0, ended.stderr);
  const { data: labels } = await readVolume(join(out, 'a.nii.gz'), { kind: 'label' });
  const { data: mean } = await readNpz(join(out, 'a.npz'), 'probabilities');
  for (let i = 0; i < count; i++) {
    const classes = [0, 1, 2].map((c) => Math.fround(saved[0][i + c * count] + saved[1][i + c * count]) / 2);
    assert.equal(
      classes,
      [0, 1, 2].map((c) => mean[i + c * count]),
    );
    assert.is(classes.indexOf(Math.max(...classes)), labels[i]);
  }
});

test.run();
