import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DataError, ModelError } from '#src/errors.js';
import { openModel } from '#src/models/openModel.js';
import { Graph } from '#src/onnx/graph.js';
import { writeModel } from '#src/onnx/modelFile.js';
import { floats } from '#src/onnx/tensor.js';
import { Control, isStopped } from '#src/runtime/inferenceJob.js';
import { createRuntime } from '#src/runtime/runtime.js';
import { stallDetector, watchJob } from '#src/runtime/stuck.js';
import { task } from '#src/runtime/task.js';
import { threshold } from '#src/volume/classes.js';
import { allocate, makeVolume, type Vec3 } from '#src/volume/volume.js';
import { readCsv, temporaryFolder, voxstream } from '../e2e/harness.js';

const thresholdTask = task(new URL(import.meta.resolve('#src/volume/classes.js')), threshold);

/** Seconds: enough for a thread to start on a busy machine, and much less than the heavy model takes. */
const limit = 3;

/** A model of many wide convolutions: fast on a small window, and many seconds of native code on a large one. */
function heavyModel(): string {
  const graph = new Graph();
  const image = graph.addInput('image', 'float32', ['n', 1, 'x', 'y', 'z']);
  const filter = (name: string, out: number, from: number) =>
    graph.addConstant(name, floats([out, from, 3, 3, 3], new Float32Array(out * from * 27).fill(0.01)));
  let value = graph.addNode('Conv', [image, filter('first', 32, 1)], { pads: [1, 1, 1, 1, 1, 1] });
  const middle = filter('middle', 32, 32);
  for (let i = 0; i < 16; i++) value = graph.addNode('Conv', [value, middle], { pads: [1, 1, 1, 1, 1, 1] });
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

test('a session that does not answer is given up, its case fails, and the next case gets a new one', async () => {
  const runtime = createRuntime({ device: 'cpu', workers: 1, stepTimeout: limit });
  const { model } = await openModel(runtime, heavyModel());
  // Without the limit there would be a result.
  const error = await model.infer(cube(96), whole(96), 1).catch((fault) => fault);
  assert.instance(error, ModelError);
  assert.match(
    error.message,
    /^The model .*heavy\.onnx gave no answer within 3 s \(runtime\.stepTimeout\).*its thread was stopped/,
  );
  const result = await model.infer(cube(6), whole(6), 1);
  assert.equal([result.size, result.channels], [[6, 6, 6], 2]);
  await runtime.close();
});

test('a job counts as stalled when its counters do not change for the limit', () => {
  const isStalled = stallDetector(2);
  assert.is(isStalled('1 0', 100_000), false);
  assert.is(isStalled('1 0', 101_999), false);
  assert.is(isStalled('2 1', 103_000), false, 'a window was finished');
  assert.is(isStalled('2 1', 104_999), false);
  assert.is(isStalled('2 1', 105_000), true);
  assert.is(isStalled('3 1', 106_000), false, 'a window was started');
});

test('a stalled job is stopped before its threads are given up', async () => {
  const control = allocate('int32', Control.length);
  const stopped = await new Promise<boolean>((resolve) => {
    const end = watchJob({ control }, 0.05, () => {
      end();
      resolve(isStopped(control));
    });
    assert.is(isStopped(control), false);
  });
  assert.is(stopped, true);
});

test('a task that takes too long is ended with its thread, and those that wait and come after are done', async () => {
  const runtime = createRuntime({ device: 'cpu', workers: 1, stepTimeout: limit });
  const small = makeVolume({ data: Float32Array.of(0, 1), size: [2, 1, 1] });
  const file = join(temporaryFolder(), 'kernel.mjs');
  writeFileSync(
    file,
    `export const sleep = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);`,
  );
  const sleepTask = task<(ms?: number) => string>(pathToFileURL(file), 'sleep');
  await runtime.run(thresholdTask, small, 0.5);
  const error = await runtime.run(sleepTask).catch((fault) => fault);
  assert.instance(error, DataError);
  assert.match(
    error.message,
    /^The worker thread that ran "sleep" was not done after 3 s \(runtime\.stepTimeout\)/,
  );
  const next = await runtime.run(thresholdTask, small, 0.5);
  assert.equal(Array.from(next.data), [0, 1]);
  // The code of ONNX Runtime must not be interrupted.
  assert.is(await runtime.run({ ...sleepTask, uninterruptible: true }, 1000 * (limit + 0.5)), 'timed-out');
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
