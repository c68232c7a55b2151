import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Graph } from '#src/onnx/graph.js';
import { writeModel } from '#src/onnx/modelFile.js';
import * as ort from '#src/onnx/ort.js';
import { floats } from '#src/onnx/tensor.js';
import { canAddOnDevice } from '#src/runtime/deviceSums.js';
import type { InferenceJob } from '#src/runtime/inferenceJob.js';
import { type InferSettings, type LoadedModel, loadModel } from '#src/runtime/loadModel.js';
import { runMirrored } from '#src/runtime/mirroredRuns.js';
import { type CellLabels, planLabels } from '#src/volume/cellSums.js';
import { allocate, makeVolume, type Vec3, type Volume } from '#src/volume/volume.js';
import {
  cutWindow,
  inModelOrder,
  type ModelAxes,
  planWindows,
  windowStart,
  windowWeights,
} from '#src/volume/windows.js';
import { temporaryFolder } from '../e2e/harness.js';
import { swiftShader, swiftShaderEnv, testNeeding } from '../needs.js';

Object.assign(process.env, swiftShaderEnv);

const roiSize: Vec3 = [4, 5, 6];
const decision = { softmax: false };

/** A 3x3x3 convolution of one channel to two. Its outputs are whole numbers for whole numbers. */
function modelFile(last: string): string {
  const graph = new Graph();
  const image = graph.addInput('image', 'float32', ['n', 1, 'a', 'b', 'c']);
  const values = Float32Array.from({ length: 54 }, (_, i) => (i % 5) - 2);
  const weight = graph.addConstant('weight', floats([2, 1, 3, 3, 3], values));
  const features = graph.addNode('Conv', [image, weight], { pads: [1, 1, 1, 1, 1, 1] });
  graph.addOutput(graph.addNode(last, [features]), 'float32', ['n', 2, 'a', 'b', 'c']);
  const file = join(temporaryFolder(), 'small.onnx');
  writeFileSync(file, writeModel(graph));
  return file;
}

function volumeOf(size: Vec3): Volume {
  const data = allocate('float32', size[0] * size[1] * size[2]);
  for (let i = 0; i < data.length; i++) data[i] = ((i * 7) % 11) - 5;
  return makeVolume({ data, size });
}

function settingsOf(mode: InferSettings['mode'], mirror: readonly number[] = []): InferSettings {
  const sigmaScale: Vec3 = [0.125, 0.125, 0.125];
  return { roiSize, overlap: [0.5, 0.5, 0.5], mode, sigmaScale, paddingMode: 'constant', cval: 0, mirror };
}

/** Means of windows whose products and sums are rounded to float32 one by one, voxel by voxel. */
async function roundedMeans(
  file: string,
  axes: ModelAxes,
  { data, size }: Volume,
  settings: InferSettings,
  models: number,
): Promise<Float32Array> {
  const session = await ort.InferenceSession.create(file, { executionProviders: ['cpu'] });
  const plan = planWindows(size, settings);
  const weights = windowWeights(roiSize, settings);
  const dims = inModelOrder(roiSize, axes);
  const mirrored = (settings.mirror ?? []).map((axis) => (axes === 'xyz' ? axis : 2 - axis));
  const run = async (values: Float32Array) => {
    const image = new ort.Tensor('float32', values, [1, 1, ...dims]);
    return (await session.run({ image }))[session.outputNames[0]].data as Float32Array;
  };
  const [nx, ny, nz] = roiSize;
  const perWindow = nx * ny * nz;
  const perChannel = data.length;
  const sums = new Float32Array(2 * perChannel);
  const weightSums = new Float32Array(perChannel);
  for (let step = 0; step < models * plan.count; step++) {
    const start = windowStart(plan, step % plan.count);
    const window = new Float32Array(perWindow);
    cutWindow(data, size, 1, start, roiSize, axes, settings, window);
    const images = { input: window, inputs: 1, outputs: 2, dims, axes: mirrored };
    const output = await runMirrored(
      run,
      images,
      new Float32Array(perWindow),
      new Float32Array(2 * perWindow),
    );
    for (let voxel = 0; voxel < perWindow; voxel++) {
      const [i, j, k] = [voxel % nx, Math.floor(voxel / nx) % ny, Math.floor(voxel / nx / ny)];
      const [x, y, z] = [start[0] + i, start[1] + j, start[2] + k];
      if ([x, y, z].some((at, axis) => at < 0 || at >= size[axis])) continue;
      const from = axes === 'xyz' ? (i * ny + j) * nz + k : voxel;
      const to = (z * size[1] + y) * size[0] + x;
      const weight = weights?.[voxel] ?? 1;
      weightSums[to] += weight;
      for (const channel of [0, 1]) {
        const product = Math.fround(output[channel * perWindow + from] * weight);
        sums[channel * perChannel + to] += product;
      }
    }
  }
  return sums.map((sum, i) => sum / weightSums[i % perChannel]);
}

/** The logits of as many models as given, which are all the same one. */
async function infer(
  model: LoadedModel,
  volume: Volume,
  settings: InferSettings,
  batch: number,
  models: number,
): Promise<Float32Array> {
  const work = await model.begin(volume, settings, batch, models);
  let report: number[] = [];
  const onWindows = (...counts: number[]) => {
    report = counts;
  };
  for (const turn of work.turns) {
    for (let place = 0; place < models; place++) await model.runTurn(work, turn, place, { onWindows });
  }
  const windows = models * work.job.steps;
  assert.equal(report, [windows, windows], 'all windows are reported');
  return work.result.data as Float32Array;
}

interface Setting {
  readonly size: Vec3;
  readonly mode: InferSettings['mode'];
  readonly mirror?: readonly number[];
  readonly batch?: number;
  readonly models?: number;
}

const settings: readonly Setting[] = [
  { size: [9, 8, 17], mode: 'constant' },
  { size: [9, 8, 17], mode: 'gaussian', batch: 4 },
  { size: [3, 11, 4], mode: 'gaussian', batch: 2 },
  { size: [7, 6, 8], mode: 'gaussian', models: 2 },
  { size: [6, 8, 7], mode: 'constant', batch: 2, mirror: [2] },
  { size: [9, 3, 7], mode: 'gaussian', batch: 3, mirror: [0, 1, 2] },
];

// Shrink runs on the CPU in between, because WebGPU's provider does not have it.
for (const [axes, last] of [
  ['xyz', 'Relu'],
  ['zyx', 'Shrink'],
] as const) {
  testNeeding(
    swiftShader,
    `windows that a ${axes} model with ${last} at its end adds up on WebGPU give the sums of the CPU`,
    async () => {
      const file = modelFile(last);
      const load = (device: string) =>
        loadModel({ file, axes, difference: false }, device, { stepTimeout: 100, collectGarbage: false });
      const [onDevice, onCpu] = await Promise.all([load('webgpu'), load('cpu')]);
      for (const { size, mode, mirror, batch = 1, models = 1 } of settings) {
        const volume = volumeOf(size);
        const given = settingsOf(mode, mirror);
        const found = await infer(onDevice, volume, given, batch, models);
        const added = await infer(onCpu, volume, given, 1, models);
        assert.equal(found, await roundedMeans(file, axes, volume, given, models));
        if (mode === 'constant') assert.equal(found, added);
        else {
          // The CPU rounds a product and its sum together, so some last bits differ.
          const far = added.map((value, i) => Math.abs(value - found[i]) / Math.max(1, Math.abs(value)));
          assert.ok(Math.max(...far) > 0 && Math.max(...far) < 1e-6, String(Math.max(...far)));
        }
      }
      const volume = volumeOf([9, 8, 7]);
      const labels = await onCpu.inferLabels(volume, settingsOf('gaussian'), 1, { decision });
      const labelled = await onDevice.inferLabels(volume, settingsOf('gaussian'), 4, { decision });
      assert.equal(labelled.data, labels.data, 'labels: made on the CPU');
      await Promise.all([onDevice.close(), onCpu.close()]);
    },
  );
}

test('WebGPU adds up logits whose buffers fit', () => {
  const job = (size: Vec3, roiSize: Vec3, outChannels = 1, batch = 1): InferenceJob => ({
    ...{ size, outChannels, batch, plan: planWindows(size, { roiSize, overlap: [0, 0, 0] }) },
    ...{ data: new Float32Array(), channels: 1, padding: { paddingMode: 'constant', cval: 0 } },
    ...{ axes: 'xyz', mirror: [], steps: 1, result: { out: new Float32Array() }, control: new Int32Array() },
  });
  // 2 ** 25 float32 values are 128 MiB.
  const fits = job([512, 256, 256], [96, 96, 96]);
  assert.ok(canAddOnDevice(fits));
  const labels: CellLabels = {
    cells: planLabels(fits.plan, fits.size, 1, false, false),
    ...{ storage: new Float32Array(), difference: false, decision, labels: new Uint8Array() },
  };
  assert.not.ok(canAddOnDevice({ ...fits, result: labels }));
  assert.not.ok(canAddOnDevice(job([513, 256, 256], [96, 96, 96])));
  assert.not.ok(canAddOnDevice(job([512, 256, 128], [96, 96, 96], 3)));
  assert.not.ok(canAddOnDevice(job([256, 256, 1], [256, 256, 513])), 'a padded volume');
  assert.ok(canAddOnDevice(job([256, 256, 128], [128, 128, 128], 2, 8)));
  assert.not.ok(canAddOnDevice(job([256, 256, 128], [128, 128, 128], 2, 9)), 'the outputs of a batch');
  assert.not.ok(canAddOnDevice(job([256, 256, 256], [256, 256, 257])), 'the places of a window');
});

test.run();
