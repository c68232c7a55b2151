import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readCommandLine } from '#src/bundle/config/commandLine.js';
import { loadBundleConfig } from '#src/bundle/config/load.js';
import { workflowOf } from '#src/bundle/targets/workflow.js';
import { OptionError } from '#src/errors.js';
import { temporaryFolder } from '../e2e/harness.js';

const target = (name: string, args: Record<string, unknown> = {}) => ({ _target_: name, ...args });

/** A configuration for inference with these transforms. */
const inference = (before: unknown[], after: unknown[], more: Record<string, unknown> = {}) => ({
  network: target('UNet', {
    spatial_dims: 3,
    in_channels: 1,
    out_channels: 2,
    channels: [4, 8],
    strides: [2],
  }),
  evaluator: target('SupervisedEvaluator', {
    device: "$torch.device('cpu')",
    val_data_loader: target('DataLoader', {
      dataset: target('Dataset', {
        data: [{ image: 'a.nii.gz', label: 'b.nii.gz', fold: 1 }],
        transform: target('Compose', { transforms: before }),
      }),
      batch_size: 1,
    }),
    network: '@network',
    inferer: target('SlidingWindowInferer', { roi_size: [96, 96, 96], overlap: 0.5, device: 'cpu' }),
    postprocessing: target('Compose', { transforms: after }),
    val_handlers: [
      target('CheckpointLoader', { load_path: 'models/model.pt', load_dict: { model: '@network' } }),
    ],
    ...more,
  }),
  run: ['$@evaluator.run()'],
});

function translate(content: unknown) {
  const file = join(temporaryFolder(), 'inference.json');
  writeFileSync(file, JSON.stringify(content));
  const surroundings = { environment: {}, accelerators: 0, warn: () => {} };
  return workflowOf(loadBundleConfig(readCommandLine(['--config_file', file]), surroundings)).evaluations[0];
}

test('transforms become operators, with one step for each group of keys with the same options', () => {
  const keys = ['image', 'label'];
  const plan = translate(
    inference(
      [
        target('LoadImaged', { keys }),
        target('EnsureChannelFirstd', { keys }),
        target('monai.transforms.Orientationd', { keys, axcodes: 'RAS' }),
        target('SpacingD', { keys, pixdim: [1, 1, 2], mode: ['bilinear', 'nearest'] }),
        target('ScaleIntensityRanged', {
          keys: 'image',
          a_min: -57,
          a_max: 164,
          b_min: 0,
          b_max: 1,
          clip: true,
        }),
      ],
      [
        target('Activationsd', { keys: 'pred', softmax: true }),
        target('AsDiscreted', { keys: ['pred', 'label'], argmax: [true, false], to_onehot: 2 }),
        target('Invertd', { keys: 'pred', transform: '@nothing', orig_keys: 'image', nearest_interp: false }),
      ].map((one) => ({ ...one, transform: undefined })),
    ),
  );
  assert.equal(plan.cases, [{ image: 'a.nii.gz', label: 'b.nii.gz' }]);
  const steps = [...plan.before, ...plan.after].map((step) =>
    step.kind === 'operator' ? [step.name, step.options] : step,
  );
  assert.equal(steps, [
    ['load', { keys: ['image', 'label'], labelKeys: [], nonFinite: true }],
    ['orient', { axcodes: 'RAS', keys: ['image', 'label'] }],
    ['spacing', { pixdim: [1, 1, 2], mode: 'bilinear', keys: 'image' }],
    ['spacing', { pixdim: [1, 1, 2], mode: 'nearest', keys: 'label' }],
    ['scaleIntensityRange', { aMin: -57, aMax: 164, bMin: 0, bMax: 1, clip: true, keys: 'image' }],
    ['activations', { softmax: true, keys: 'pred' }],
    ['asDiscrete', { argmax: true, toOnehot: 2, keys: 'pred' }],
    ['asDiscrete', { toOnehot: 2, keys: 'label' }],
    // A label map that MONAI would interpolate.
    ['invert', { like: 'image', interpolateLabels: true, keys: 'pred' }],
  ]);
  assert.equal(plan.inference, { roiSize: [96, 96, 96], swBatchSize: 1, overlap: 0.5, mode: 'constant' });
  assert.is(plan.checkpoint, 'models/model.pt');
});

test('everything without a counterpart is listed before anything starts', () => {
  const content = inference(
    [
      target('LoadImaged', { keys: 'image' }),
      target('RandMagicd', { keys: 'image' }),
      target('Spacingd', { keys: 'image', pixdim: [1, 1, 1], mode: 'bicubic', magic: 3 }),
      target('ScaleIntensityd', { keys: 'other' }),
    ],
    [target('Lambdad', { keys: 'pred', func: '$lambda x: x + 1' })],
    { key_val_metric: { auc: target('ROCAUC', {}) }, val_handlers: [target('MLFlowHandler', {})] },
  );
  let message = '';
  try {
    translate(content);
  } catch (error) {
    assert.instance(error, OptionError);
    message = (error as OptionError).message;
  }
  const lines = message.split('\n').map((line) => line.trim());
  assert.match(lines[0], /inference\.json asks for what voxstream does not have, so nothing was started:$/);
  for (const part of [
    /transforms#1 is RandMagicd, which has no counterpart/,
    /transforms#2 \(Spacingd\) has mode 'bicubic', but it must be bilinear or nearest/,
    /transforms#2 \(Spacingd\) has the argument magic \(3\), which is not supported/,
    /transforms#3 \(ScaleIntensityd\) works on other, but the cases have image and label/,
    /transforms#0 \(Lambdad\) has the function "lambda x: x \+ 1", which is not among the known ones/,
    /key_val_metric#auc \(ROCAUC\) is a metric that has no counterpart/,
    /val_handlers#0 is MLFlowHandler, a handler that has no counterpart/,
  ]) {
    assert.ok(
      lines.some((line) => part.test(line)),
      `${part} in\n${message}`,
    );
  }
});

test('transforms of the scripts of bundles, and those of DeepEdit without clicks, have counterparts', () => {
  const phases = ['artery', 'vein'];
  const labels = { spleen: 1, background: 0 };
  const plan = translate(
    inference(
      [
        target('LoadImaged', { keys: ['image', 'label'], reader: 'ITKReader', image_only: false }),
        target('CopyItemsd', { keys: 'image', times: 2, names: phases }),
        target('scripts.my_transforms.ConcatImages', { keys_merge: phases, keys_out: 'image' }),
        target('scripts.transforms.OrientationGuidanceMultipleLabelDeepEditd', {
          ref_image: 'image',
          label_names: labels,
        }),
        target('AddGuidanceFromPointsDeepEditd', { ref_image: 'image', label_names: labels }),
        target('ResizeGuidanceMultipleLabelDeepEditd', { guidance: 'guidance', ref_image: 'image' }),
        target('AddGuidanceSignalDeepEditd', { keys: 'image', number_intensity_ch: 1 }),
      ],
      [target('scripts.my_transforms.MergeClassesd', { keys: 'pred' })],
      {
        val_handlers: [target('CheckpointLoader', { load_path: 'models/model.pt', strict: 'True' })],
      },
    ),
  );
  assert.equal(
    [...plan.before, ...plan.after].map((step) =>
      step.kind === 'operator'
        ? [step.name, step.options]
        : step.kind === 'voxels' && [step.function, step.key],
    ),
    [
      ['load', { keys: ['image', 'label'], labelKeys: [], nonFinite: true }],
      ['copyItems', { keys: ['image', 'image'], names: phases }],
      ['concatItems', { keys: phases, name: 'image' }],
      [{ name: 'zeroChannels', count: 2 }, 'image'],
      [{ name: 'labelsOfChannels' }, 'pred'],
    ],
  );
  const clicked = inference(
    [
      target('LoadImaged', { keys: 'image' }),
      target('AddGuidanceFromPointsDeepEditd', { ref_image: 'image', label_names: { fold: 1 } }),
    ],
    [],
  );
  assert.throws(() => translate(clicked), /finds clicks for fold among the data, which are not supported/);
});

test.run();
