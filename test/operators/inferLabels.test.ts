import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { firstValueFrom, of } from 'rxjs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Case, makeCase } from '#src/case.js';
import { openEnsemble } from '#src/models/ensemble.js';
import type { ModelLease } from '#src/models/openModel.js';
import { Graph } from '#src/onnx/graph.js';
import { writeModel } from '#src/onnx/modelFile.js';
import { floats } from '#src/onnx/tensor.js';
import { bytesOf, type Forecast } from '#src/operators/forecast.js';
import { fusions } from '#src/operators/index.js';
import { inferLabels } from '#src/operators/inferLabels.js';
import { fuseSteps } from '#src/pipeline/fuse.js';
import { parsePipeline } from '#src/pipeline/load.js';
import { createRuntime } from '#src/runtime/runtime.js';
import { Random } from '#src/volume/random.js';
import { makeVolume, type Vec3, voxelCount } from '#src/volume/volume.js';
import { temporaryFolder } from '../e2e/harness.js';

// Three sessions, whatever the machine has.
const runtime = createRuntime({ device: 'cpu:3', workers: 2 });
test.after(() => runtime.close());
const models = temporaryFolder();

/** A model of one 3x3x3 convolution with random weights. */
function writeRandomModel(classes: number, seed = classes): string {
  const random = new Random(seed);
  const graph = new Graph({ name: `random${classes}_${seed}` });
  const image = graph.addInput('image', 'float32', ['n', 1, 'x', 'y', 'z']);
  const kernel = Float32Array.from({ length: classes * 27 }, () => random.normal(0, 1));
  const weight = graph.addInitializer('weight', floats([classes, 1, 3, 3, 3], kernel));
  const output = graph.addNode('Conv', [image, weight], { pads: [1, 1, 1, 1, 1, 1] });
  graph.addOutput(output, 'float32', ['n', classes, 'x', 'y', 'z']);
  const folder = join(models, graph.name);
  mkdirSync(folder);
  writeFileSync(join(folder, 'model.onnx'), writeModel(graph));
  const card = { name: graph.name, input: { channels: 1 }, output: { channels: classes } };
  writeFileSync(join(folder, 'metadata.json'), JSON.stringify({ ...card, labels: { 0: 'background' } }));
  return folder;
}

const [two, nine, many] = [2, 9, 300].map((classes) => writeRandomModel(classes));
const other = writeRandomModel(9, 1);
const size: Vec3 = [23, 18, 20];
const affine = [0, -1.2, 0, 4, -0.8, 0, 0, 3, 0, 0, 2.5, 0, 0, 0, 0, 1];

function aCase(): Case {
  const random = new Random(1);
  const data = Float32Array.from({ length: voxelCount(size) }, () => random.normal(0, 1));
  return makeCase({ id: 'a', volumes: { image: makeVolume({ data, size, affine }) } });
}

const geometry = [{ orient: { axcodes: 'RAS' } }, { spacing: { pixdim: [1.1, 1, 1.9] } }];
const softmax = { activations: { softmax: true } };
const argmax = { asDiscrete: { argmax: true } };

/** Runs steps in the stages of some fusions, or one by one, and compares each stage with its forecast. */
async function through(
  steps: unknown[],
  used: typeof fusions,
): Promise<{ subject: Case; ids: string[]; peak: number }> {
  const pipeline = parsePipeline(JSON.stringify({ source: { glob: { image: 'x' } }, steps }), 'p');
  let subject = aCase();
  const { image } = subject.volumes;
  let forecast: Forecast = { files: {}, volumes: { image: { ...image, bytesPerVoxel: 4 } }, peak: 0 };
  const stages = fuseSteps(pipeline.steps, used);
  for (const { id, build, forecast: foresee } of stages) {
    forecast = (await foresee(runtime))(forecast);
    subject = await firstValueFrom(of(subject).pipe(build({ id, runtime })));
    for (const [key, volume] of Object.entries(subject.volumes)) {
      const told = forecast.volumes[key];
      assert.equal(
        [told.size, told.channels, told.kind],
        [volume.size, volume.channels, volume.kind],
        `${key} after ${id}`,
      );
      assert.is(bytesOf(told), volume.data.byteLength, `${key} after ${id}`);
      assert.is(told.history.length, volume.history.length, `${key} after ${id}`);
    }
  }
  return { subject, ids: stages.map(({ id }) => id), peak: forecast.peak };
}

const windows = { roiSize: [9, 8, 7], overlap: 0.3, mode: 'gaussian', paddingMode: 'replicate' };
const pipelines: Record<string, unknown[]> = {
  'softmax, invert and argmax': [{ inference: { model: nine, ...windows } }, softmax, 'invert', argmax],
  'invert and argmax': [{ inference: { model: nine, ...windows, mode: 'constant' } }, 'invert', argmax],
  'softmax and argmax': [{ inference: { model: nine, ...windows, overlap: 0 } }, softmax, argmax],
  'argmax of two classes': [{ inference: { model: two, ...windows } }, argmax],
  'two classes of which the model has the difference': [
    { inference: { model: two, ...windows } },
    softmax,
    'invert',
    argmax,
  ],
  'more than 256 classes': [{ inference: { model: many, ...windows } }, argmax, 'invert'],
  regions: [
    { inference: { model: nine, ...windows } },
    'invert',
    { regionLabels: { labels: [1, 2, 3, 9, 8, 7, 4, 5, 300] } },
  ],
  'mirrored windows by nnU-Net': [
    { inference: { model: nine, ...windows, stepSize: 0.5, mirror: ['x', 'z'] } },
    'invert',
    argmax,
  ],
  'two models in turns': [
    { inference: { models: [nine, other], ...windows, mirror: ['y'] } },
    softmax,
    'invert',
    argmax,
  ],
  'three models in turns, with equal weights': [
    { inference: { models: [nine, other, nine], ...windows, mode: 'constant' } },
    'invert',
    argmax,
  ],
  'windows in batches': [
    { inference: { model: nine, ...windows, swBatchSize: 3 } },
    softmax,
    'invert',
    argmax,
  ],
};

for (const [name, steps] of Object.entries(pipelines)) {
  test(`labels that the inference makes are those of separate steps: ${name}`, async () => {
    const all = [...geometry, ...steps];
    const one = await through(all, [inferLabels(0), ...fusions]);
    const apart = await through(all, []);
    const [found, expected] = [one.subject.volumes.pred, apart.subject.volumes.pred];
    assert.equal(Array.from(found.data), Array.from(expected.data));
    assert.is(found.data.constructor, expected.data.constructor);
    assert.equal({ ...found, data: 0 }, { ...expected, data: 0 });
    assert.ok(new Set(found.data).size > 1);
    assert.ok(one.subject.timings.inference > 0);
  });
}

test('small logits are made whole, and stages and results are the same', async () => {
  const steps = [...geometry, ...pipelines['softmax, invert and argmax']];
  const small = await through(steps, fusions);
  const labelled = await through(steps, [inferLabels(0), ...fusions]);
  assert.equal(small.ids, ['orient+spacing', 'inference', 'activations+invert+asDiscrete']);
  assert.equal(labelled.ids, small.ids);
  assert.equal(small.subject.volumes.pred, labelled.subject.volumes.pred);
  assert.ok(small.subject.timings['activations+invert+asDiscrete'] > 0);
});

test('the estimate knows that the logits of many classes are never whole', async () => {
  const steps = [{ inference: { model: many, ...windows, roiSize: [6, 6, 6] } }, argmax];
  const whole = await through(steps, [inferLabels(1e9), ...fusions]);
  const cells = await through(steps, [inferLabels(0), ...fusions]);
  const logits = 300 * 4 * voxelCount(size);
  assert.ok(whole.peak > logits, `${whole.peak} and ${logits}`);
  assert.ok(cells.peak < 0.6 * logits, `${cells.peak} and ${logits}`);
});

test('steps that one pass cannot undo take the logits of the whole volume', async () => {
  for (const steps of [
    [{ resize: { spatialSize: [20, 20, 20] } }, { inference: { model: nine, ...windows } }, 'invert', argmax],
  ]) {
    const one = await through(steps, [inferLabels(0), ...fusions]);
    const apart = await through(steps, []);
    assert.equal(Array.from(one.subject.volumes.pred.data), Array.from(apart.subject.volumes.pred.data));
  }
});

test('models that would take too much memory are loaded one at a time, with the same result', async () => {
  const settings = { roiSize: [9, 8, 7] as Vec3, overlap: [0.3, 0.3, 0.3] as Vec3, stepSize: 0.5 };
  const more = { mode: 'gaussian', sigmaScale: [0.125, 0.125, 0.125] as Vec3 } as const;
  const { image } = aCase().volumes;
  const results: unknown[] = [];
  for (const most of [Number.POSITIVE_INFINITY, -1]) {
    const own = createRuntime({ device: 'cpu:2', workers: 1 });
    let loads = 0;
    const counted: typeof own = {
      ...own,
      settings: own.settings,
      get device() {
        return own.device;
      },
      load: (key, find) => {
        loads++;
        return own.load(key, find);
      },
    };
    const check = async ({ model }: ModelLease) => model.outputChannels(settings.roiSize, 1);
    const ensemble = await openEnsemble(counted, [nine, other], { roiSize: settings.roiSize }, check, most);
    const given = { ...settings, ...more, paddingMode: 'constant', cval: 0 } as const;
    const work = await ensemble.with(0, (model) => model.begin(image, given, 1, 2));
    for (const turn of work.turns) {
      for (const place of [0, 1]) await ensemble.with(place, (model) => model.runTurn(work, turn, place));
    }
    await ensemble.close();
    await own.close();
    results.push(work.result);
    assert.is(loads, most < 0 ? 5 : 2);
  }
  assert.equal(results[0], results[1]);
});

test('a step that uses another volume is not an inference and its labels', () => {
  const { steps } = parsePipeline(
    JSON.stringify({
      source: { glob: { image: 'x' } },
      steps: [{ inference: { model: nine, output: 'other' } }, argmax],
    }),
    'p',
  );
  assert.is(inferLabels(0)(steps), undefined);
});

test.run();
