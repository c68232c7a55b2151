import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { lastValueFrom, of, toArray } from 'rxjs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Case, makeCase } from '#src/case.js';
import { readGrid } from '#src/formats/index.js';
import { writeNifti } from '#src/formats/writeNifti.js';
import { memoryLimit } from '#src/machine.js';
import { bytesOf, type Forecast } from '#src/operators/forecast.js';
import { fusions } from '#src/operators/index.js';
import { load } from '#src/operators/load.js';
import { fuseSteps } from '#src/pipeline/fuse.js';
import { parsePipeline } from '#src/pipeline/load.js';
import { estimatorFor, memoryBudget } from '#src/pipeline/memory.js';
import { createRuntime } from '#src/runtime/runtime.js';
import { type Affine, makeVolume, type Vec3 } from '#src/volume/volume.js';
import { bandModel, temporaryFolder } from '../e2e/harness.js';
import { buildNifti } from '../formats/buildNifti.js';

const runtime = createRuntime({ device: 'cpu', workers: 1 });
test.after(() => runtime.close());

const folder = temporaryFolder();
const size: Vec3 = [24, 30, 20];
const count = size[0] * size[1] * size[2];
const straight = [0, -1.2, 0, 4, -0.8, 0, 0, 3, 0, 0, 2.5, 0, 0, 0, 0, 1];

/** A case with an int16 image and a uint8 label. */
async function aCase(affine: Affine = straight): Promise<Case> {
  const data = Int16Array.from({ length: count }, (_, i) => (i * 37) % 300);
  await writeNifti(join(folder, 'x.nii.gz'), makeVolume({ data, size, affine }), { dtype: 'int16' });
  const label = makeVolume({ data: new Uint8Array(count).fill(1), size, affine, kind: 'label' });
  await writeNifti(join(folder, 'x_label.nii'), label);
  return makeCase({
    id: 'x',
    files: { image: join(folder, 'x.nii.gz'), label: join(folder, 'x_label.nii') },
  });
}

const identity = { code: 1, rows: [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0] };

const pipelineOf = (steps: unknown[], sinks: unknown[] = []) =>
  parsePipeline(JSON.stringify({ source: { glob: { image: 'x' } }, steps, sinks }), 'p');

/** Runs a case through the stages of a pipeline and checks that each stage produced the predicted volumes. */
async function check(steps: unknown[], affine?: Affine, given?: Case): Promise<Forecast> {
  const subject = given ?? (await aCase(affine));
  const grids = Object.entries(subject.files).map(async ([key, file]) => [key, await readGrid(file)]);
  let forecast: Forecast = { files: Object.fromEntries(await Promise.all(grids)), volumes: {}, peak: 0 };
  let real = subject;
  for (const stage of fuseSteps(pipelineOf(steps).steps, fusions)) {
    forecast = (await stage.forecast(runtime))(forecast);
    real = await lastValueFrom(of(real).pipe(stage.build({ id: stage.id, runtime })));
    for (const [key, volume] of Object.entries(real.volumes)) {
      const told = forecast.volumes[key];
      const where = `${key} after ${stage.id}`;
      assert.equal(told.size, volume.size, where);
      assert.is(told.channels, volume.channels, where);
      assert.is(bytesOf(told), volume.data.byteLength, where);
      assert.is(told.kind, volume.kind, where);
      assert.is(told.history.length, volume.history.length, where);
    }
  }
  return forecast;
}

const geometry = [
  { orient: { axcodes: 'RAS', keys: 'image' } },
  { spacing: { pixdim: [1.5, 1.5, 2], keys: 'image' } },
];
const scale = { scaleIntensityRange: { aMin: 0, aMax: 300, bMin: 0, bMax: 1 } };
const inference = { inference: { model: bandModel, roiSize: [16, 16, 16] } };

test('the prediction for the spleen pipeline matches its fused passes, and its peak is in one of them', async () => {
  const { volumes, peak } = await check([
    'load',
    ...geometry,
    scale,
    inference,
    { activations: { softmax: true } },
    'invert',
    { asDiscrete: { argmax: true } },
    'keepLargestComponent',
    'dice',
  ]);
  const image = bytesOf(volumes.image);
  // While labels are created, memory holds the image, the label, logits of two channels, the new labels and
  // some slices.
  const most = image + count + 2 * image + count;
  assert.ok(peak >= most && peak < 1.5 * most, `${peak} and ${most}`);
});

test('the prediction for unfused steps, labels, crops and pads matches their results', async () => {
  await check([
    'load',
    { orient: { axcodes: 'PIR' } },
    { centerCrop: { roiSize: [20, 16, -1] } },
    { cropForeground: { sourceKey: 'label', kDivisible: 3, keys: 'image' } },
    { spatialPad: { spatialSize: [22, 10, 30] } },
    { spacing: { pixdim: [2, 2, 2] } },
    'normalizeIntensity',
  ]);
  await check([
    'load',
    ...geometry,
    { normalizeIntensity: { subtrahend: 150, divisor: 100 } },
    inference,
    { asDiscrete: { argmax: true } },
    'invert',
    'fillHoles',
    { mapLabels: { map: { 1: 300 } } },
  ]);
});

test('the prediction for sizes, channels and turns matches their results', async () => {
  await check([
    'load',
    { resize: { spatialSize: [20, 20, 20], antiAliasing: true } },
    { zoom: { zoom: [1.3, 0.8, 1] } },
    { zoom: { zoom: 0.9, mode: 'trilinear', keepSize: false } },
    { flip: { spatialAxis: [0, 2] } },
    { rotate90: { k: 3, spatialAxes: [0, 2] } },
    { resizeWithPadOrCrop: { spatialSize: [12, 30, -1] } },
    { divisiblePad: { k: [16, 7, 1], method: 'end' } },
    { borderPad: { spatialBorder: [1, 2, 3] } },
    { spatialCrop: { roiStart: [2, 2, -5], roiEnd: [100, 20, 6] } },
    { concatItems: { keys: ['image', 'label'], name: 'both' } },
    { selectChannels: { keys: 'both', channels: [1, 0, 1] } },
    { mergeClasses: { groups: [[1], [0, 1]] } },
    { labelToContour: { keys: 'label' } },
    { selectChannels: { keys: 'label', channels: 1 } },
    { asDiscrete: { keys: 'label', toOnehot: 3 } },
    { invert: { keys: ['both', 'label'] } },
  ]);
  await check([
    'load',
    { nanToNum: {} },
    { copyItems: { keys: 'image', names: 'copy' } },
    { scaleIntensity: {} },
    { clip: { lower: 1, max: 1, keys: 'copy' } },
    { scaleIntensityRangePercentiles: { lower: 1, upper: 99 } },
    { thresholdIntensity: { threshold: 0.5 } },
    { adjustContrast: { gamma: 2 } },
    { histogramNormalize: { maskKey: 'label' } },
    { gaussianSmooth: { sigma: 1 } },
    { asDiscrete: { keys: 'image', rounding: 'torchrounding' } },
    { convertToMultiChannelBrats: {} },
  ]);
});

test('steps that cannot run in one pass are predicted one after the other', async () => {
  const labelling = [{ activations: { softmax: true } }, 'invert', { asDiscrete: { argmax: true } }];
  const whole = await check(['load', ...geometry, scale, inference, ...labelling]);
  const shrink = { resize: { spatialSize: [-1, -1, 10], keys: 'image' } };
  const shrunk = await check([
    'load',
    { orient: { axcodes: 'RAS', keys: 'image' } },
    shrink,
    scale,
    inference,
    ...labelling,
  ]);
  // The probabilities on the file's grid, and the intermediate ones, need more memory than the
  // smaller image saves.
  assert.ok(shrunk.peak > whole.peak, `${shrunk.peak} and ${whole.peak}`);
});

test('images that float64 widens are predicted with 8 bytes, other images and labels as they are', async () => {
  const file = (name: string, slope: number) => {
    const values = Array.from({ length: 24 }, (_, i) => i);
    writeFileSync(join(folder, name), buildNifti({ dims: [4, 3, 2], values, slope, sform: identity }));
    return join(folder, name);
  };
  const files = { image: file('tenth.nii', 0.1), whole: file('whole.nii', 2), label: file('label.nii', 1) };
  for (const float64 of [true, false]) {
    const { volumes } = await check([{ load: { float64 } }], undefined, makeCase({ id: 'x', files }));
    assert.is(volumes['image'].bytesPerVoxel, float64 ? 8 : 4);
  }
});

test('an estimate has an amount and a step; without a readable header there is none', async () => {
  const subject = await aCase();
  const estimate = await estimatorFor(pipelineOf(['load'], ['report']), runtime);
  // The image and the label, the image that the report reads again, and 32 MiB for buffers.
  assert.equal(await estimate(subject), { bytes: 5 * count + 2 ** 25, step: 'report' });
  assert.is(await estimate(makeCase({ id: 'y', files: { image: join(folder, 'none.nii') } })), undefined);
});

test('auto is half of the memory that this process may use; a number is used as it is', () => {
  assert.is(memoryBudget(pipelineOf(['load'])), Math.floor(memoryLimit() / 2));
  const given = parsePipeline('{ source: { glob: { image: x } }, steps: [load], runtime: { memory: 3GiB } }');
  assert.is(memoryBudget(given), 3 * 2 ** 30);
});

test('the prediction of a random affine is a changed case with the requested size', async () => {
  const { volumes } = await check(['load', { randAffine: { prob: 1, spatialSize: [20, 0, 12], seed: 1 } }]);
  assert.equal([volumes.image.size[0], volumes.image.size[2]], [20, 12]);
});

test('the prediction of random patches counts all patches of a case and the volumes they are cut from', async () => {
  const text = { randCropByPosNegLabel: { spatialSize: [8, 8, 8], numSamples: 5 } };
  const [stage] = fuseSteps(pipelineOf([text]).steps, fusions);
  const subject = await lastValueFrom(of(await aCase()).pipe(load({}, { id: 'load', runtime })));
  const before = Object.fromEntries(
    Object.entries(subject.volumes).map(([key, volume]) => [
      key,
      { ...volume, bytesPerVoxel: volume.data.BYTES_PER_ELEMENT },
    ]),
  );
  const forecast = (await stage.forecast(runtime))({ files: {}, volumes: before, peak: 0 });
  const cases = await lastValueFrom(of(subject).pipe(stage.build({ id: stage.id, runtime }), toArray()));
  assert.is(cases.length, 5);
  const held = new Set([subject, ...cases].flatMap(({ volumes }) => Object.values(volumes)));
  assert.is(
    forecast.peak,
    [...held].reduce((sum, { data }) => sum + data.byteLength, 0),
  );
  assert.equal(forecast.volumes.image.size, cases[0].volumes.image.size);
});

test('labels of a sheared image are predicted step by step, as they are made', async () => {
  const labelling = [{ activations: { softmax: true } }, 'invert', { asDiscrete: { argmax: true } }];
  const steps = ['load', ...geometry, scale, inference, ...labelling];
  const sheared = [...straight];
  sheared[2] = 0.6;
  // The probabilities of both classes at full resolution, in float32, are what one pass does without.
  const probabilities = 2 * 4 * count;
  const difference = (await check(steps, sheared)).peak - (await check(steps)).peak;
  assert.ok(difference > probabilities / 2, String(difference));
});

test.run();
