import { spawnSync } from 'node:child_process';
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
import { isStopped, newControl } from '#src/runtime/inferenceJob.js';
import { createRuntime } from '#src/runtime/runtime.js';
import { stallDetector, watchJob } from '#src/runtime/stuck.js';
import { task } from '#src/runtime/task.js';
import { threshold } from '#src/volume/classes.js';
import { allocate, makeVolume, type Vec3 } from '#src/volume/volume.js';
import { temporaryFolder } from '../e2e/harness.js';

const thresholdTask = task(new URL(import.meta.resolve('#src/volume/classes.js')), threshold);

/** Seconds: much less than the heavy model takes. */
const limit = 3;

/** Repeats work that takes no time to speak of, until a busy machine gets it done within the limit. */
async function inTime<Result>(work: () => Promise<Result>): Promise<Result> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!/\(runtime\.stepTimeout\)/.test(String(error))) throw error;
    }
  }
}

/**
 * A model of many wide convolutions: fast on a small window, and many seconds of native code on a large one.
 */
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
  const file = heavyModel();
  const { model } = await inTime(() => openModel(runtime, file));
  await inTime(() => model.infer(cube(6), whole(6), 1));
  // Without the limit there would be a result.
  const error = await model.infer(cube(96), whole(96), 1).catch((fault) => fault);
  assert.instance(error, ModelError);
  assert.match(
    error.message,
    /^The model .*heavy\.onnx gave no answer within 3 s \(runtime\.stepTimeout\).*its thread was stopped/,
  );
  const result = await inTime(() => model.infer(cube(6), whole(6), 1));
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
  const control = newControl(0, 0);
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
  await inTime(() => runtime.run(thresholdTask, small, 0.5));
  const error = await runtime.run(sleepTask).catch((fault) => fault);
  assert.instance(error, DataError);
  assert.match(
    error.message,
    /^The worker thread that ran "sleep" was not done after 3 s \(runtime\.stepTimeout\)/,
  );
  const next = await inTime(() => runtime.run(thresholdTask, small, 0.5));
  assert.equal(Array.from(next.data), [0, 1]);
  // The code of ONNX Runtime must not be interrupted.
  assert.is(await runtime.run({ ...sleepTask, uninterruptible: true }, 1000 * (limit + 0.5)), 'timed-out');
  await runtime.close();
});

test('a worker thread that runs out of memory fails its task, and the next task gets a new thread', () => {
  const folder = temporaryFolder();
  const library = (path: string) => JSON.stringify(import.meta.resolve(`#src/${path}`));
  // Many small objects: Node cannot end a thread cleanly if a single allocation exceeds the limit by far.
  writeFileSync(
    join(folder, 'kernel.mjs'),
    `export function collect() { let list; for (;;) list = { list }; }
    export const add = (a, b) => a + b;`,
  );
  writeFileSync(
    join(folder, 'program.mjs'),
    `import { createRuntime } from ${library('runtime/runtime.js')};
    import { task } from ${library('runtime/task.js')};
    const runtime = createRuntime({ device: 'cpu', workers: 1 });
    const module = new URL('./kernel.mjs', import.meta.url);
    const error = await runtime.run(task(module, 'collect')).catch((error) => error);
    console.log(JSON.stringify([error.name, error.message, await runtime.run(task(module, 'add'), 1, 2)]));
    await runtime.close();`,
  );
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--max-old-space-size=60', join(folder, 'program.mjs')],
    { encoding: 'utf8' },
  );
  assert.is(status, 0, stderr);
  const [name, message, sum] = JSON.parse(stdout.trim().split('\n').at(-1)!);
  assert.is(name, 'DataError');
  assert.match(message, /^The worker thread that ran "collect" ran out of memory\. Run fewer cases at once/);
  assert.is(sum, 3);
});

test.run();
