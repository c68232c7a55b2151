import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readVolume } from '#src/formats/index.js';
import * as ort from '#src/onnx/ort.js';
import { Random } from '#src/volume/random.js';
import { shared, sharedPath, swiftShader, swiftShaderEnv, testNeeding } from '../needs.js';
import { assertGolden } from './goldenCase.js';
import { temporaryFolder, voxstream } from './harness.js';

const demo = sharedPath('models/spleen_demo');
const needs = [shared('models/spleen_demo'), shared('data/mini'), shared('golden/e2e')];
/** These tests have their own cache, for the imported model and its forms. */
const env = { XDG_CACHE_HOME: temporaryFolder(), ...swiftShaderEnv };
const imported = join(env.XDG_CACHE_HOME, 'voxstream/models/spleen_imported');

async function run(model: string, input: Float32Array, dims: readonly number[]): Promise<Float32Array> {
  const session = await ort.InferenceSession.create(join(model, 'model.onnx'), { logSeverityLevel: 3 });
  const result = await session.run({ [session.inputNames[0]]: new ort.Tensor('float32', input, dims) });
  const { data } = result[session.outputNames[0]];
  await session.release();
  return data as Float32Array;
}

function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  assert.is(a.length, b.length);
  let most = 0;
  for (let i = 0; i < a.length; i++) most = Math.max(most, Math.abs(a[i] - b[i]));
  return most;
}

testNeeding(
  needs,
  'the demo checkpoint, imported, gives what the model that PyTorch exported gives',
  async () => {
    const card = [
      '--config',
      join(demo, 'metadata.json'),
      '--labels',
      'background,spleen',
      '--patch',
      '96,96,96',
    ];
    const names = ['--name', 'spleen_imported'];
    const { code, stderr } = await voxstream(
      ['models', 'import', join(demo, 'model.pt'), ...card, ...names],
      env,
    );
    assert.is(code, 0, stderr);
    const dims = [2, 1, 48, 64, 32];
    const random = new Random(7);
    const input = Float32Array.from({ length: 2 * 48 * 64 * 32 }, () => random.uniform());
    const [expected, actual] = [await run(demo, input, dims), await run(imported, input, dims)];
    const most = largestDifference(expected, actual);
    assert.ok(most <= 1e-5, `the largest difference is ${most}`);
    assert.ok(Math.max(...actual.subarray(0, 10_000)) > 1, 'the logits are not all about zero');
  },
);

testNeeding(
  needs,
  'the imported model, rewritten for cpu, gives the golden segmentation of a CT and its Dice',
  async () => {
    const output = temporaryFolder();
    const set = [
      `dataset=${sharedPath('data/mini')}`,
      'source.split=train',
      'model=spleen_imported',
      `output=${output}`,
    ];
    const flags = set.flatMap((one) => ['--set', one]);
    const { code, stderr } = await voxstream(
      ['run', 'pipelines/spleen-evaluate.yaml', '--device', 'cpu', ...flags],
      env,
    );
    assert.is(code, 0, stderr);
    assert.not.match(stderr, /runs as it is/);
    await assertGolden(output, 'ct_1', 'imagesTr');
    const { dice } = JSON.parse(readFileSync(sharedPath('golden/e2e/expected.json'), 'utf8')).ct_1;
    const { metrics } = JSON.parse(readFileSync(join(output, 'summary.json'), 'utf8'));
    assert.ok(Math.abs(metrics.dice_spleen.mean - dice) < 1e-4, `${metrics.dice_spleen.mean}`);
  },
);

const title =
  'the imported model, rewritten for webgpu, gives the probabilities of the CPU on a part of the CT';
testNeeding([...needs, swiftShader], title, async () => {
  const folder = temporaryFolder();
  const pipeline = join(folder, 'part.yaml');
  writeFileSync(
    pipeline,
    `source: { decathlon: { root: '${sharedPath('data/mini')}', split: train } }
steps:
  - load
  - orient: { axcodes: RAS }
  - spacing: { pixdim: [1.5, 1.5, 2.0], mode: bilinear }
  - scaleIntensityRange: { aMin: -57, aMax: 164, bMin: 0, bMax: 1, clip: true }
  - centerCrop: { roiSize: [40, 32, 32] }
  - inference: { model: spleen_imported, roiSize: [32, 32, 32], overlap: 0.25 }
  - activations: { softmax: true }
sinks:
  - nifti: { keys: pred }
`,
  );
  const values: ArrayLike<number>[] = [];
  for (const device of ['cpu', 'webgpu']) {
    const output = join(folder, device);
    const args = ['run', pipeline, '--device', device, '--set', `output=${output}`];
    const { code, stderr } = await voxstream(args, env);
    assert.is(code, 0, stderr);
    assert.not.match(stderr, /runs as it is|run on the CPU/);
    values.push((await readVolume(join(output, 'ct_1_pred.nii.gz'), { kind: 'image' })).data);
  }
  const most = largestDifference(values[0], values[1]);
  assert.ok(most < 1e-5, `the largest difference of probabilities is ${most}`);
  let spread = 0;
  for (let i = 0; i < values[0].length; i++)
    spread = Math.max(spread, Math.min(values[0][i], 1 - values[0][i]));
  assert.ok(spread > 0.05, `the probabilities are not all 0 or 1: ${spread}`);
});

test.run();
