import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { firstValueFrom, from, lastValueFrom, of, take, toArray } from 'rxjs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Case, makeCase } from '#src/case.js';
import { DataError, ModelError } from '#src/errors.js';
import { Graph } from '#src/onnx/graph.js';
import { writeModel } from '#src/onnx/modelFile.js';
import { floats } from '#src/onnx/tensor.js';
import { inference } from '#src/operators/inference.js';
import type { OptionsOf } from '#src/options.js';
import { createRuntime, type Runtime } from '#src/runtime/runtime.js';
import { makeVolume } from '#src/volume/volume.js';
import { temporaryFolder } from '../e2e/harness.js';
import { refused, through } from '../shared.js';

const runtime = createRuntime({ device: 'cpu' });
test.after(() => runtime.close());
const models = temporaryFolder();

/**
 * Writes a model with two output channels: the image, and the image shifted by one voxel along its first axis
 * (zeros at the end), with a card that contains `card`.
 */
function writeShiftModel(name: string, card: object, dims: (string | number)[] = ['d', 'h', 'w']): string {
  const graph = new Graph({ name });
  const image = graph.addInput('image', 'float32', ['n', 1, ...dims]);
  const weight = graph.addInitializer('weight', floats([2, 1, 3, 1, 1], [0, 1, 0, 0, 0, 1]));
  const pads = [1, 0, 0, 1, 0, 0];
  graph.addOutput(graph.addNode('Conv', [image, weight], { pads }), 'float32', ['n', 2, ...dims]);
  const folder = join(models, name);
  mkdirSync(folder);
  writeFileSync(join(folder, 'model.onnx'), writeModel(graph));
  writeFileSync(join(folder, 'metadata.json'), JSON.stringify({ name, ...card }));
  return folder;
}

const labels = { 0: 'background', 1: 'spleen' };
const shift = writeShiftModel('shift', { labels, input: { channels: 1, patch: [4, 3, 2] } });
const affine = [2, 0, 0, 5, 0, 3, 0, 6, 0, 0, 4, 7, 0, 0, 0, 1];
/** [4, 3, 2] voxels with values 1 … 24. */
const image = makeVolume({ data: Int16Array.from({ length: 24 }, (_, i) => i + 1), size: [4, 3, 2], affine });
const subject = makeCase({ id: 'a', volumes: { image } });
const run = (options: Partial<OptionsOf<typeof inference>>, given: Case = subject, on: Runtime = runtime) =>
  through(inference({ model: shift, ...options }, { id: 'inference', runtime: on }), given);

test('inference adds logits on the grid of the image, with the label names of the card', async () => {
  const { volumes, timings } = await run({});
  const { pred } = volumes;
  assert.equal([pred.size, pred.affine, pred.channels, pred.kind], [[4, 3, 2], affine, 2, 'logits']);
  assert.equal(Array.from(pred.data.subarray(0, 24)), Array.from(image.data));
  assert.equal(
    Array.from(pred.data.subarray(24, 32)),
    [2, 3, 4, 0, 6, 7, 8, 0],
    'one voxel further on along x',
  );
  assert.equal(pred.labelNames, labels);
  assert.is(volumes.image, image);
  assert.ok(timings.inference > 0);
});

test('a model whose card says zyx reads the axes in reverse order', async () => {
  const model = writeShiftModel('zyx', { axes: 'zyx', input: { patch: [4, 3, 2] } });
  const { pred } = (await run({ model })).volumes;
  assert.equal(Array.from(pred.data.subarray(0, 24)), Array.from(image.data));
  // Its first axis is z: the second slice comes first, followed by zeros.
  assert.equal(Array.from(pred.data.subarray(24)), [...image.data.subarray(12), ...new Array(12).fill(0)]);
});

test('window sizes do not change the result of a model that looks no further than one voxel', async () => {
  for (const options of [
    { roiSize: [2, 2, 2] as const, overlap: 0.5 },
    { roiSize: [3, 2, 1] as const, overlap: 0, swBatchSize: 4 },
    { roiSize: 6, mode: 'gaussian' as const, sigmaScale: 0.3 },
    { roiSize: [-1, 2, 0] as const, overlap: [0, 0.5, 0] as const, mode: 'gaussian' as const },
  ]) {
    const { pred } = (await run(options)).volumes;
    const identity = Array.from(pred.data.subarray(0, 24), (value) => Math.round(value * 1e4) / 1e4);
    assert.equal(identity, Array.from(image.data), JSON.stringify(options));
  }
});

test('a small volume is padded with cval, or as paddingMode says', async () => {
  const line = makeVolume({ data: Int16Array.of(1, 2), size: [2, 1, 1] });
  const shifted = async (options: Partial<OptionsOf<typeof inference>>) => {
    const given = makeCase({ id: 'b', volumes: { scan: line } });
    const { volumes } = await run({ roiSize: [4, 1, 1], key: 'scan', output: 'seg', ...options }, given);
    return Array.from(volumes.seg.data.subarray(2));
  };
  assert.equal(await shifted({}), [2, 0]);
  assert.equal(await shifted({ cval: 9 }), [2, 9]);
  assert.equal(await shifted({ paddingMode: 'replicate' }), [2, 2]);
  assert.equal(await shifted({ paddingMode: 'circular' }), [2, 1]);
});

test('the window size comes from the card, else from the file, and must be known', async () => {
  const fixed = writeShiftModel('fixed', {}, [2, 3, 2]);
  assert.is((await run({ model: fixed })).volumes.pred.data[24], 2);
  const open = writeShiftModel('open', {});
  const error = await run({ model: open }).catch((fault) => fault);
  assert.instance(error, ModelError);
  assert.match(error.message, /the window size of the model open is unknown.*Set roiSize\.$/);
});

test('a case with the wrong number of channels fails with a sentence', async () => {
  const two = makeVolume({ data: new Float32Array(8), size: [2, 2, 1], channels: 2 });
  const error = await run({}, makeCase({ id: 'ct', volumes: { image: two } })).catch((fault) => fault);
  assert.instance(error, DataError);
  assert.is(error.message, 'inference: image of case ct has 2 channel(s), but the model shift takes 1.');
});

test('prepare loads the model before the first case, and rejects one that cannot be found', async () => {
  const context = { id: 'inference', runtime };
  const release = await inference.configure({ model: shift }).built!.prepare!(context);
  await release();
  const missing = inference.configure({ model: join(models, 'shfit') }).built!.prepare!(context);
  const error = await missing.catch((fault) => fault);
  assert.instance(error, ModelError);
  assert.match(error.message, /^There is no model ".*shfit"/);
});

/** A runtime that counts how often models are acquired and released. */
function counting() {
  const counts = { taken: 0, released: 0 };
  const counted: Runtime = {
    ...runtime,
    async load(key, find) {
      counts.taken++;
      const share = await runtime.load(key, find);
      return {
        ...share,
        release: async () => {
          counts.released++;
          await share.release();
        },
      };
    },
  };
  return { counts, context: { id: 'inference', runtime: counted } };
}

test('a stream acquires the model once, and releases it when it ends, fails or is unsubscribed', async () => {
  const settled = () => new Promise((resolve) => setTimeout(resolve, 0));
  const ended = counting();
  const three = from(['a', 'b', 'c'].map((id) => ({ ...subject, id })));
  const step = inference({ model: shift }, ended.context);
  assert.is((await lastValueFrom(three.pipe(step, toArray()))).length, 3);
  await settled();
  assert.equal(ended.counts, { taken: 1, released: 1 });

  const failed = counting();
  const empty = makeCase({ id: 'empty' });
  const broken = of(subject, empty).pipe(inference({ model: shift }, failed.context), toArray());
  assert.match(
    (await lastValueFrom(broken).catch((fault) => fault)).message,
    'Case empty has no volume "image"',
  );
  await settled();
  assert.equal(failed.counts, { taken: 1, released: 1 });

  const left = counting();
  await firstValueFrom(three.pipe(inference({ model: shift }, left.context), take(1)));
  await settled();
  assert.equal(left.counts, { taken: 1, released: 1 });
});

test('mirror averages the outputs of mirrored windows, for either order of axes', async () => {
  const { volumes } = await run({ mirror: ['x', 'y'], roiSize: 0 });
  const zyx = writeShiftModel('mirroredZyx', { axes: 'zyx', input: { channels: 1, patch: [4, 3, 2] } });
  const reversed = await run({ model: zyx, mirror: ['z'] });
  // The model reads the next voxel along its first axis; mirrored, it reads the one before.
  const at = (data: ArrayLike<number>, i: number) => (i >= 0 && i < data.length ? data[i] : 0);
  const values = Array.from(image.data);
  for (const [i, value] of values.entries()) {
    assert.is(volumes.pred.data[i], value);
    const next = i % 4 === 3 ? 0 : at(values, i + 1);
    const before = i % 4 === 0 ? 0 : at(values, i - 1);
    assert.is(volumes.pred.data[24 + i], (next + before) / 2);
    assert.is(reversed.volumes.pred.data[24 + i], (at(values, i + 12) + at(values, i - 12)) / 2);
  }
});

test('models are averaged, and must have the same labels', async () => {
  const other = writeShiftModel('otherAxes', {
    labels,
    axes: 'zyx',
    input: { channels: 1, patch: [4, 3, 2] },
  });
  const [one, two, both] = await Promise.all([
    run({}),
    run({ model: other }),
    run({ model: undefined, models: [shift, other] }),
  ]);
  const mean = one.volumes.pred.data.map((value, i) => (value + two.volumes.pred.data[i]) / 2);
  assert.equal(both.volumes.pred.data, mean);
  const unnamed = writeShiftModel('unnamed', { input: { channels: 1, patch: [4, 3, 2] } });
  const error = await run({ model: undefined, models: [shift, unnamed] }).catch((fault) => fault);
  assert.instance(error, ModelError);
  assert.match(error.message, /unnamed and shift have different labels/);
  refused(
    () => inference({ model: shift, models: [shift] }),
    'inference: either model or models must be given.',
  );
});

test('inference rejects options out of range and reports all of them', () => {
  refused(
    () => inference({ model: '', overlap: 1, swBatchSize: 0, mode: 'max' as never }),
    (() => {
      const lines = [
        'model must be a non-empty text',
        'swBatchSize must be at least 1',
        'overlap must be',
        'mode must be',
      ];
      return new RegExp(lines.map((line) => `inference: ${line}.*`).join('\\n'));
    })(),
  );
  refused(() => inference({ model: 'm', roi: 96 } as never), /roi is not an option of inference/);
});

test.run();
