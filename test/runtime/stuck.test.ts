import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DataError, ModelError } from '#src/errors.js';
import { openModel } from '#src/models/openModel.js';
import { Graph } from '#src/onnx/graph.js';
import { writeModel } from '#src/onnx/modelFile.js';
import { floats } from '#src/onnx/tensor.js';
import { createRuntime } from '#src/runtime/runtime.js';
import { task } from '#src/runtime/task.js';
import { sigmoid, threshold } from '#src/volume/classes.js';
import { allocate, makeVolume, type Vec3 } from '#src/volume/volume.js';
import { readCsv, temporaryFolder, voxstream } from '../e2e/harness.js';

const classes = new URL(import.meta.resolve('#src/volume/classes.js'));
const thresholdTask = task(classes, threshold);
const sigmoidTask = task(classes, sigmoid);

/** A model of many wide convolutions: quick on a small window, and many seconds of native code on a large one. */
function heavyModel(): string {
  const graph = new Graph();
  const image = graph.addInput('image', 'float32', ['n', 1, 'x', 'y', 'z']);
  const filter = (name: string, out: number, from: number) =>
    graph.addConstant(name, floats([out, from, 3, 3, 3], new Float32Array(out * from * 27).fill(0.01)));
  let value = graph.addNode('Conv', [image, filter('first', 32, 1)], { pads: [1, 1, 1, 1, 1, 1] });
  const middle = filter('middle', 32, 32);
  for (let i = 0; i < 6; i++) value = graph.addNode('Conv', [value, middle], { pads: [1, 1, 1, 1, 1, 1] });
  value = graph.addNode('Conv', [value, filter('last', 2, 32)], { pads: [1, 1, 1, 1, 1, 1] });
  graph.addOutput(value, 'float32', ['n', 2, 'x', 'y', 'z']);
  const file = join(temporaryFolder(), 'heavy.onnx');
  writeFileSync(file, writeModel(graph));
  return file;
}

const cube = (edge: number) =>
  makeVolume({ data: allocate('float32', edge ** 3), size: [edge, edge, edge] as Vec3 });
const whole = (edge: number) => ({
  roiSize: [edge, edge, edge] as Vec3,
  overlap: [0, 0, 0] as Vec3,
  mode: 'constant' as const,
  sigmaScale: [0.125, 0.125, 0.125] as Vec3,
  paddingMode: 'constant' as const,
  cval: 0,
});

test('a session that gives no sign of life is ended, its case fails, and the next case gets a new one', async () => {
  const runtime = createRuntime({ device: 'cpu', workers: 1, stepTimeout: 1 });
  const { model } = await openModel(runtime, heavyModel());
  // Were it noticed only once the window is done, there would be a result.
  const error = await model.infer(cube(96), whole(96), 1).catch((fault) => fault);
  assert.instance(error, ModelError);
  assert.match(
    error.message,
    /^The model .*heavy\.onnx (made no progress for|gave no answer within) 1 s \(runtime\.stepTimeout\).*its thread was stopped/,
  );
  const result = await model.infer(cube(6), whole(6), 1);
  assert.equal([result.size, result.channels], [[6, 6, 6], 2]);
  await runtime.close();
});

test('many windows in a row may take longer than the limit: each that ends is a sign of life', async () => {
  const runtime = createRuntime({ device: 'cpu', workers: 1, stepTimeout: 0.5 });
  const { model } = await openModel(runtime, heavyModel());
  const start = performance.now();
  const result = await model.infer(cube(96), whole(16), 1);
  const seconds = (performance.now() - start) / 1000;
  assert.is(result.channels, 2);
  assert.ok(seconds > 0.5, `took ${seconds} s`);
  await runtime.close();
});

test('a task that takes too long is ended with its thread, and those that wait and come after are done', async () => {
  const runtime = createRuntime({ device: 'cpu', workers: 1, stepTimeout: 1 });
  const small = makeVolume({ data: Float32Array.of(0, 1), size: [2, 1, 1] });
  await runtime.run(thresholdTask, small, 0.5);
  const large = makeVolume({ data: allocate('float32', 2 ** 28), size: [2 ** 14, 2 ** 14, 1] });
  const error = await runtime.run(sigmoidTask, large).catch((fault) => fault);
  assert.instance(error, DataError);
  assert.match(
    error.message,
    /^The worker thread that ran "sigmoid" was not done after 1 s \(runtime\.stepTimeout\)/,
  );
  const next = await runtime.run(thresholdTask, small, 0.5);
  assert.equal(Array.from(next.data), [0, 1]);
  await runtime.close();
});

test('a worker thread that dies of too little memory fails its case, and the run goes on', async () => {
  const folder = temporaryFolder();
  const { writeNifti } = await import('#src/formats/writeNifti.js');
  const write = async (name: string, data: Int32Array | Uint8Array, size: Vec3) => {
    const file = join(folder, `${name}.nii`);
    await writeNifti(file, makeVolume({ data, size, kind: 'label' }));
    return file;
  };
  const items = [];
  const edge = 128;
  const numbers = Int32Array.from({ length: edge ** 3 }, (_, i) => i + 1);
  const masks = Uint8Array.from({ length: 512 }, (_, i) => i & 1);
  for (let i = 0; i < 5; i++) {
    // The second case has a label of its own for each of two million voxels, which no 60 MiB of heap can count.
    const [data, size] = i === 1 ? [numbers, [edge, edge, edge] as Vec3] : [masks, [8, 8, 8] as Vec3];
    items.push({
      id: `c${i}`,
      pred: await write(`p${i}`, data, size),
      label: await write(`l${i}`, data, size),
    });
  }
  const pipeline = join(folder, 'p.json');
  const output = join(folder, 'out');
  const steps = ['load', { dice: { labels: [1] } }];
  writeFileSync(
    pipeline,
    JSON.stringify({
      output,
      source: { datalist: { items } },
      steps,
      sinks: ['metricsCsv'],
      runtime: { workers: 1 },
    }),
  );
  const { code, stderr } = await voxstream(['run', pipeline], { NODE_OPTIONS: '--max-old-space-size=60' });
  assert.is(code, 2, stderr);
  const failures = readCsv(join(output, 'failures.csv'));
  assert.equal(
    failures.map((row) => `${row.case} ${row.step}`),
    ['c1 dice'],
  );
  assert.match(
    failures[0].message,
    /^The worker thread that ran "countOverlaps" ran out of memory\. Run fewer cases at once/,
  );
  assert.equal(
    readCsv(join(output, 'metrics.csv')).map((row) => row.case),
    ['c0', 'c2', 'c3', 'c4'],
  );
});

test.run();
