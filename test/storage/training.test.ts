import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readTensors } from '#src/onnx/training/tensorFile.js';
import { loadPipelineTexts } from '#src/pipeline/load.js';
import { createRuntime } from '#src/runtime/runtime.js';
import { synthDataset } from '#src/synth/dataset.js';
import { runTraining, type TrainOptions } from '#src/train/train.js';
import { temporaryFolder } from '../e2e/harness.js';
import { bucket, seeded, startS3 } from './s3Server.js';

const server = await startS3();
const cache = temporaryFolder();
Object.assign(process.env, server.env, { VOXSTREAM_CACHE: cache });
const root = temporaryFolder();
const dataset = join(root, 'set');
await synthDataset(dataset, { cases: 3, testCases: 0, seed: 3, size: [16, 16, 16] });
for (const entry of readdirSync(dataset, { recursive: true, withFileTypes: true })) {
  const file = join(entry.parentPath, entry.name);
  if (entry.isFile()) await server.put(file.slice(root.length + 1), readFileSync(file));
}
const runtime = createRuntime({ device: 'cpu', workers: 1 });
test.after(async () => {
  await runtime.close();
  server.close();
});

async function train(place: string, output: string, options: Partial<TrainOptions> = {}) {
  const text = `source: { decathlon: { root: '${place}', split: train, validation: 1 } }
steps:
  - load
  - scaleIntensityRange: { aMin: -57, aMax: 164, bMin: 0, bMax: 1, clip: true }
  - randCropByPosNegLabel: { spatialSize: 8, imageKey: image }
train:
  network: { UNet: { spatial_dims: 3, in_channels: 1, out_channels: 2, channels: [4, 8], strides: [2] } }
  loss: { diceCE: { softmax: true } }
  optimizer: { adam: { learningRate: 0.02 } }
  epochs: 2
  batchSize: 1
  saveEvery: 1
  validation:
    every: 2
    source: { decathlon: { root: '${place}', split: validation, validation: 1 } }
    metric: dice
    steps: [load, inference: { roiSize: 16 }, asDiscrete: { argmax: true }, dice]
output: '${output}'
runtime: { device: cpu, seed: 5 }
`;
  const pipeline = await loadPipelineTexts([{ name: 'train.yaml', text }], {});
  return runTraining(pipeline, { runtime, ...options });
}

/** Options that end a training when its state is saved for the first time. */
function untilSaved(): Partial<TrainOptions> {
  const stop = new AbortController();
  return {
    signal: stop.signal,
    onEvent: ({ event }) => {
      if (event === 'saved') stop.abort();
    },
  };
}

async function weights(file: string): Promise<Record<string, string>> {
  const { tensors } = await readTensors(file);
  return Object.fromEntries(
    [...tensors].map(([name, { data }]) => [name, Buffer.from(data.buffer).toString('base64')]),
  );
}

test('a training in a bucket, interrupted and resumed, gives the weights of one on a disk', async () => {
  await train(dataset, join(root, 'disk'));
  const [place, output] = ['set', 'trained'].map((name) => `s3://${bucket}/${name}`);
  server.disturb = seeded(7, 8, ['drop', 'delay', 'truncate', 'unavailable']);
  const first = await train(place, output, untilSaved());
  assert.is(first.reason, 'interrupted');
  await train(place, output).then(
    () => assert.unreachable('it holds a training'),
    (error) => assert.match(error.message, /^s3:\/\/data\/trained already holds a training/),
  );
  const { reason, model, failed } = await train(place, output, { resume: true });
  server.disturb = () => undefined;
  assert.equal([reason, model, failed], ['finished', `${output}/model`, []]);
  const last = join(root, 'last.safetensors');
  writeFileSync(last, await server.get('trained/checkpoint/last.safetensors'));
  assert.equal(await weights(last), await weights(join(root, 'disk/checkpoint/last.safetensors')));
  const names = (await server.keys('trained/')).map((key) => key.slice('trained/'.length));
  const known = readdirSync(join(root, 'disk'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(join(root, 'disk/').length));
  const lasting = (all: readonly string[]) => all.filter((name) => !/tfevents/.test(name)).sort();
  assert.equal(lasting(names), lasting(known));
  assert.equal(readdirSync(join(cache, 'outputs')), []);
  assert.equal(readdirSync(join(cache, 'files/open')), []);

  // A new training removes the files of the old one. Their names differ only in the second of their start.
  assert.ok(names.some((name) => /tfevents/.test(name)));
  await train(place, output, { overwrite: true, ...untilSaved() });
  assert.is((await server.keys('trained/tensorboard/')).length, 1, 'curves of the old one are gone');
});

test.run();
