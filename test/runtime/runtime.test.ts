import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ModelError } from '#src/errors.js';
import { openModel } from '#src/models/openModel.js';
import { createRuntime, defaultRuntime } from '#src/runtime/runtime.js';
import { task } from '#src/runtime/task.js';
import { argmax, threshold } from '#src/volume/classes.js';
import { scaleIntensityRange } from '#src/volume/intensity.js';
import { allocate, makeVolume } from '#src/volume/volume.js';
import { bandModel, root, temporaryFolder } from '../e2e/harness.js';
import { testNeeding } from '../needs.js';

const of = (module: string) => new URL(import.meta.resolve(`#src/volume/${module}.js`));
const scaleIntensityRangeTask = task(of('intensity'), scaleIntensityRange);
const argmaxTask = task(of('classes'), argmax);
const thresholdTask = task(of('classes'), threshold);

const runtime = createRuntime({ device: 'cpu', workers: 1 });
test.after(() => runtime.close());

test('a task runs in a worker thread on the very voxels, and its result is shared memory', async () => {
  const data = allocate('float32', 2);
  data.set([1, 3]);
  const volume = makeVolume({ data, size: [2, 1, 1] });
  const range = { aMin: 0, aMax: 2, bMin: 0, bMax: 1, clip: false };
  const scaled = await runtime.run(scaleIntensityRangeTask, volume, range);
  assert.equal(Array.from(scaled.data), [0.5, 1.5]);
  assert.instance(scaled.data.buffer, SharedArrayBuffer);
  assert.equal(Array.from(volume.data), [1, 3]);
});

test('a model is loaded once for all who ask, and again after the last one gave it back', async () => {
  const form = { roiSize: [8, 8, 8] } as const;
  const [first, second] = await Promise.all([
    openModel(runtime, bandModel, form),
    openModel(runtime, bandModel, form),
  ]);
  assert.is(first.model, second.model);
  assert.is(first.card.name, 'spleen_band');
  await first.release();
  assert.is(await second.model.outputChannels([8, 8, 8], 1), 2);
  await second.release();
  const third = await openModel(runtime, bandModel, form);
  assert.is.not(third.model, first.model);
  await third.release();
  assert.equal(
    runtime.loaded().map(({ name }) => name),
    ['spleen_band'],
  );
});

test('a model that cannot be loaded fails, and may be asked for again', async () => {
  const missing = `${temporaryFolder()}/none.onnx`;
  for (let i = 0; i < 2; i++) {
    const error = await openModel(runtime, missing).catch((fault) => fault);
    assert.instance(error, ModelError);
    assert.match(error.message, /^There is no model ".*none\.onnx"/);
  }
});

test('a closed runtime starts again when it is used', async () => {
  const own = createRuntime({ device: 'cpu', workers: 1 });
  const volume = makeVolume({ data: Float32Array.of(0, 1), size: [2, 1, 1] });
  assert.equal(Array.from((await own.run(thresholdTask, volume, 0.5)).data), [0, 1]);
  await own.close();
  assert.equal(Array.from((await own.run(thresholdTask, volume, 0)).data), [1, 1]);
  await own.close();
});

test('operators without a given runtime share one', () => {
  assert.is(defaultRuntime(), defaultRuntime());
  assert.is(defaultRuntime().device, 'auto');
});

// A thread that is ended during such a `require` aborts the whole process, in Node 20.19 to 22; see
// worker.cts.
const traces = process.allowedNodeEnvironmentFlags.has('--trace-require-module');
const tracing = traces ? undefined : 'a Node with --trace-require-module';

testNeeding(tracing, 'worker threads load no ES module by require()', () => {
  const program = join(temporaryFolder(), 'program.mjs');
  const library = JSON.stringify(pathToFileURL(join(root, 'dist/index.js')).href);
  writeFileSync(
    program,
    `import { createRuntime } from ${library};
    const runtime = createRuntime({ device: 'cpu' });
    const argmax = { module: ${JSON.stringify(argmaxTask.module)}, name: 'argmax' };
    console.log(await runtime.run(argmax, undefined).catch((error) => error.message));
    await runtime.close();`,
  );
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--trace-require-module=all', program], {
    encoding: 'utf8',
  });
  assert.is(status, 0, stderr);
  assert.match(stdout, /undefined/);
  assert.not.match(stderr, /require\(\)/);
});

test.run();
