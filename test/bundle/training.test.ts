import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readCommandLine } from '#src/bundle/config/commandLine.js';
import { loadBundleConfig } from '#src/bundle/config/load.js';
import { CheckpointFiles } from '#src/bundle/run/checkpointFiles.js';
import { PatchMeasures } from '#src/bundle/run/patchMeasures.js';
import { placeTraining } from '#src/bundle/run/trainingPipeline.js';
import type { SaverTarget } from '#src/bundle/targets/handlers.js';
import { Problems } from '#src/bundle/targets/problems.js';
import { workflowOf } from '#src/bundle/targets/workflow.js';
import { makeCase } from '#src/case.js';
import { OptionError } from '#src/errors.js';
import { unknownColumn } from '#src/metrics/columns.js';
import { newNetwork } from '#src/onnx/builders/buildNetwork.js';
import { readStateDicts } from '#src/onnx/checkpoint/readCheckpoint.js';
import { writeModel } from '#src/onnx/modelFile.js';
import { createRuntime } from '#src/runtime/runtime.js';
import { identityAffine } from '#src/volume/affine.js';
import { fixtures, temporaryFolder, voxstream } from '../e2e/harness.js';
import { shared, sharedPath, testNeeding } from '../needs.js';

const spleen = join(fixtures, 'bundles/spleen_ct_segmentation/train.json');
const names = Array.from({ length: 12 }, (_, i) => `/data/spleen_${10 + i}.nii.gz`);
const images = ['--images', JSON.stringify(names), '--labels', JSON.stringify(names)];

function workflow(files: readonly string[], words: readonly string[]) {
  const given = readCommandLine(['--config_file', JSON.stringify(files), ...words]);
  return workflowOf(loadBundleConfig(given, { environment: {}, accelerators: 0, warn: () => {} }));
}

/** The spleen bundle's training with changes. */
function trainingOf(changes: object, words: readonly string[] = []) {
  const file = join(temporaryFolder(), 'more.json');
  writeFileSync(file, JSON.stringify(changes));
  return workflow([spleen, file], [...images, ...words]);
}

const target = (name: string, args: object = {}) => ({ _target_: name, ...args });

test("the spleen bundle's training becomes one of voxstream", () => {
  const { trainings, evaluations, seed } = workflow([spleen], [...images, '--epochs', '3']);
  assert.is(trainings.length, 1);
  assert.is(evaluations.length, 0);
  assert.is(seed, 123);
  const [plan] = trainings;
  const named = plan.steps.map((step) => (step.kind === 'operator' ? step.name : step.kind));
  const fixed = ['load', 'orient', 'spacing', 'spacing', 'scaleIntensityRange'];
  assert.equal(named, [...fixed, 'randCropByPosNegLabel']);
  assert.is(plan.cachedSteps, fixed.length);
  assert.is(plan.cases.length, 3);
  assert.is(plan.batchSize, 2);
  assert.is(plan.epochs, 3);
  assert.equal(plan.loss.options, {
    includeBackground: true,
    toOnehotY: true,
    sigmoid: false,
    softmax: true,
    squaredPred: true,
    jaccard: false,
    reduction: 'mean',
    smoothNr: 1e-5,
    smoothDr: 1e-5,
    batch: true,
    lambdaDice: 0.5,
    lambdaCe: 0.5,
  });
  assert.is(plan.optimizer.name, 'novograd');
  assert.equal(plan.schedule, { name: 'step', options: { size: 5000, gamma: 0.1 } });
  assert.is(plan.validation?.every, 1);
  assert.is(plan.validation?.evaluation.keyMetric, 'val_mean_dice');
  assert.is(plan.validation?.evaluation.cases.length, 9);
  const saver = { folder: './models', when: 'best', file: 'model.pt', key: undefined, lower: false };
  for (const [key, value] of Object.entries(saver)) {
    assert.is(plan.savers[0][key as keyof SaverTarget], value, key);
  }
  assert.equal(
    plan.boards.map(({ of, lossTag }) => [of, lossTag]),
    [
      ['validation', undefined],
      ['training', 'train_loss'],
    ],
  );
  assert.is(plan.notes.length, 1);
  assert.match(plan.notes.join(' '), /1 case\(s\) of each epoch for a smaller batch in MONAI; here they are/);
  const problems = new Problems();
  assert.ok(placeTraining(plan, problems));
  assert.equal(problems.lines, []);
});

test('random transforms keep their options, and draw once for all keys', () => {
  const keys = ['image', 'label'];
  const { trainings } = trainingOf({
    'train#random_transforms': [
      target('RandSpatialCropd', { keys, roi_size: [32, 32, 16], random_size: false }),
      target('RandCropByLabelClassesd', {
        keys,
        label_key: 'label',
        spatial_size: [8, 8, 8],
        num_classes: 3,
      }),
      target('RandFlipd', { keys, prob: 0.5, spatial_axis: [0] }),
      target('RandAxisFlipd', { keys, prob: 0.3 }),
      target('RandRotate90d', { keys, max_k: 2 }),
      target('RandZoomd', { keys, prob: 0.15, min: 0.9, max: 1.1, mode: ['trilinear', 'nearest'] }),
      target('RandRotated', { keys, range_z: 0.3, mode: ['bilinear', 'nearest'] }),
      target('RandAffined', { keys, rotate_range: [[0, 0.1], 0.2], translate_range: 5 }),
      target('Rand3DElasticd', { keys, sigma_range: [0.5, 1.5], magnitude_range: [0.5, 1.5] }),
      target('RandAdjustContrastd', { keys: 'image', gamma: 2.0 }),
      target('RandBiasFieldd', { keys: 'image', coeff_range: [0, 0.01], degree: 10 }),
      target('RandHistogramShiftd', { keys: 'image', num_control_points: [5, 10] }),
      target('RandGaussianNoised', { keys: 'image', mean: 0.1, std: 0.25 }),
      target('RandGaussianSmoothd', { keys: 'image' }),
      target('RandShiftIntensityd', { keys: 'image', offsets: 0.1 }),
      target('RandScaleIntensityd', { keys: 'image', factors: 0.1, prob: 1.0 }),
    ],
  });
  const [plan] = trainings;
  const options = Object.fromEntries(
    plan.steps
      .slice(plan.cachedSteps)
      .map((step) => (step.kind === 'operator' ? [step.name, step.options] : [])),
  );
  assert.is(Object.keys(options).length, 16);
  assert.is(options['randAxisFlip'].prob, 0.3);
  assert.is(options['randRotate90'].prob, 0.1);
  assert.equal(options['randZoom'].mode, { image: 'trilinear', label: 'nearest' });
  assert.equal(options['randAffine'].rotateRange, [[0, 0.1], 0.2]);
  assert.equal(options['randAffine'].mode, { image: 'bilinear', label: 'nearest' });
  assert.match(
    plan.notes.join('\n'),
    /random_transforms#7 \(RandAffined\) interpolates label in MONAI; here labels take the nearest voxel/,
  );
  const problems = new Problems();
  placeTraining(plan, problems);
  assert.equal(problems.lines, []);
});

test('what a training asks for and voxstream lacks is listed, all of it', () => {
  const changes = {
    loss: target('TverskyLoss'),
    lr_scheduler: target('torch.optim.lr_scheduler.CosineAnnealingLR', {
      optimizer: '@optimizer',
      T_max: 10,
    }),
    'train#inferer': target('SlidingWindowInferer', { roi_size: [8, 8, 8] }),
    'train#random_transforms': [target('RandCoarseDropoutd', { keys: 'image' })],
    'train#handlers#2': target('EarlyStopHandler', { patience: 3 }),
  };
  assert.throws(
    () => trainingOf(changes),
    (error: unknown) => {
      assert.instance(error, OptionError);
      for (const line of [
        /loss is TverskyLoss, which has no counterpart; known are DiceLoss, DiceCELoss, DiceFocalLoss/,
        /lr_scheduler \(CosineAnnealingLR\) ends after 10 epochs, but the training has 800/,
        /train#inferer is SlidingWindowInferer; a training runs the network on whole patches/,
        /train#random_transforms#0 is RandCoarseDropoutd, which has no counterpart/,
        /train#handlers#2 is EarlyStopHandler, a handler that has no counterpart in training/,
      ]) {
        assert.match((error as Error).message, line);
      }
      return true;
    },
  );
});

test('a configuration for several GPUs is the same training, with a batch for each device', () => {
  const distributed = {
    network: target('torch.nn.parallel.DistributedDataParallel', { module: '@network_def' }),
    'train#dataloader#shuffle': false,
    'train#sampler': target('DistributedSampler', { dataset: '@train#dataset' }),
    'train#dataloader#sampler': '@train#sampler',
    initialize: [
      '$import torch.distributed as dist',
      "$dist.is_initialized() or dist.init_process_group('nccl')",
    ],
  };
  const { trainings, seed } = trainingOf(distributed);
  assert.is(trainings[0].distributed, true);
  assert.is(trainings[0].network.type, 'UNet');
  assert.is(seed, undefined);
});

test('checkpoints have the names that ignite gives them, and only so many are kept', async () => {
  const folder = temporaryFolder();
  const config = { spatial_dims: 3, in_channels: 1, out_channels: 2, channels: [2, 3], strides: [2] };
  const bytes = writeModel(newNetwork('UNet', config, 1));
  const saver = {
    folder,
    file: undefined,
    prefix: '',
    name: 'model',
    interval: 2,
    key: undefined,
    lower: false,
  };
  const files = new CheckpointFiles(
    [
      { ...saver, when: 'best', kept: 2 },
      { ...saver, when: 'epoch', kept: undefined, prefix: 'net', name: 'checkpoint', key: 'model' },
      { ...saver, when: 'end', kept: undefined, file: 'last.pt' },
    ],
    { type: 'UNet', config },
    4,
    'dice',
    () => {},
  );
  for (const [i, value] of [0.5, 0.25, 0.75, 0.625].entries()) {
    const row = {
      epoch: i + 1,
      step: 3 * (i + 1),
      metrics: [{ metric: unknownColumn('dice').metric, label: null, value }],
    };
    const model = async () => ({ bytes, card: { name: 'x', axes: 'xyz' } });
    await files.write({ row, isBest: i === 0 || i === 2, model });
  }
  assert.equal(readdirSync(folder).sort(), [
    'last.pt',
    'model_key_metric=0.6250.pt',
    'model_key_metric=0.7500.pt',
    'net_checkpoint_epoch=2.pt',
    'net_checkpoint_epoch=4.pt',
  ]);
  const [state] = await readStateDicts(join(folder, 'net_checkpoint_epoch=4.pt'));
  assert.is(state.path, 'model');
});

test("the network's output for training patches is measured as configured", async () => {
  const plan = trainingOf({}).trainings[0].patchMetrics;
  assert.ok(plan);
  const runtime = createRuntime({ device: 'cpu' });
  const measures = new PatchMeasures(plan, runtime);
  const grid = { size: [4, 1, 1], affine: identityAffine, history: [] } as const;
  const patch = (labels: readonly number[], logits: readonly number[]) =>
    makeCase({
      id: 'a',
      volumes: {
        label: { ...grid, kind: 'label', channels: 1, data: Uint8Array.from(labels) },
        pred: { ...grid, kind: 'image', channels: 2, data: Float32Array.from(logits) },
      },
    });
  try {
    assert.is((await measures.take()).size, 0);
    await measures.add({ epoch: 1, cases: [patch([0, 0, 1, 1], [2, 0, 0, 0, 1, 1, 1, 1])] });
    await measures.add({ epoch: 1, cases: [patch([1, 1, 1, 1], [0, 0, 0, 0, 1, 1, 1, 1])] });
    // 3 of 4 voxels, then 4 of 4.
    assert.equal([...(await measures.take())], [['train_accuracy', 7 / 8]]);
    assert.is((await measures.take()).size, 0);
  } finally {
    await runtime.close();
  }
});

testNeeding(
  shared('bundles/commands'),
  "bundle run trains on two devices, and leaves MONAI's checkpoint and files of TensorBoard",
  async () => {
    const bundle = temporaryFolder();
    const data = sharedPath('bundles/commands/Task09_Spleen');
    const pair = (n: number) => ({
      image: `${data}/imagesTr/spleen_${n}.nii.gz`,
      label: `${data}/labelsTr/spleen_${n}.nii.gz`,
    });
    const more = join(bundle, 'few.json');
    const few = { 'train#dataset#data': [pair(2), pair(3)], 'validate#dataset#data': [pair(6)] };
    const tiny = JSON.parse(readFileSync(sharedPath('bundles/commands/tiny_train.json'), 'utf8'));
    writeFileSync(more, JSON.stringify({ ...tiny, ...few }));
    const configs = sharedPath('bundles/bundles/spleen_ct_segmentation/configs');
    const devices = sharedPath('bundles/commands/cpu_ddp.json');
    const words = [
      'run',
      '--config_file',
      JSON.stringify([`${configs}/train.json`, `${configs}/multi_gpu_train.json`, devices, more]),
      '--dataset_dir',
      data,
      '--epochs',
      '1',
    ];
    const { code, stdout, stderr } = await voxstream(['bundle', ...words, '--device', 'cpu:2'], {}, bundle);
    assert.is(code, 0, stderr);
    assert.match(stdout, /val_mean_dice: 0\.\d+, after epoch 1\nwrote models\/model\.pt\n/);
    const boards = readdirSync(join(bundle, 'eval')).sort();
    assert.is(boards.length, 4);
    const tags = boards.map((file) => readFileSync(join(bundle, 'eval', file), 'latin1'));
    assert.match(boards[0], /^events\.out\.tfevents\.\d+\..+\.\d+\.0$/);
    assert.match(tags[0], /val_mean_dice.*val_accuracy/s);
    assert.match(tags[1], /train_loss.*train_accuracy/s);
    // The files of the second device hold the version of the format alone.
    for (const other of tags.slice(2)) assert.match(other, /^.{23}brain\.Event:2.{4}$/s);
    const [state] = await readStateDicts(join(bundle, 'models/model.pt'));
    assert.is(state.path, '');
    assert.is(state.tensors.size, 148);
    assert.ok(state.tensors.has('model.0.conv.unit0.adn.N.num_batches_tracked'));
    const card = JSON.parse(readFileSync(join(bundle, 'models/model.voxstream/model/metadata.json'), 'utf8'));
    assert.is(card.network.type, 'UNet');
  },
);

test.run();
