import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ModelError, messageOf } from '#src/errors.js';
import { findModel } from '#src/models/findModel.js';
import { writeModelFolder } from '#src/models/folder.js';
import { importNnunet, openNnunet } from '#src/models/nnunet/importNnunet.js';
import { readLabels } from '#src/models/nnunet/labels.js';
import { type CheckpointFacts, readPlan } from '#src/models/nnunet/plans.js';
import { findTrained } from '#src/models/nnunet/trainedFolder.js';
import { temporaryFolder } from '../e2e/harness.js';
import { shared, sharedPath, testNeeding } from '../needs.js';
import { buildCheckpoint, pickleOf } from '../onnx/checkpoint/buildCheckpoint.js';

const kwargs = { is_seg: false, order: 3, order_z: 0, force_separate_z: null };
const configuration = {
  patch_size: [8, 16, 24],
  spacing: [3, 2, 1],
  normalization_schemes: ['CTNormalization'],
  use_mask_for_norm: [false],
  resampling_fn_data: 'resample_data_or_seg_to_shape',
  resampling_fn_data_kwargs: kwargs,
  resampling_fn_probabilities: 'resample_data_or_seg_to_shape',
  resampling_fn_probabilities_kwargs: { ...kwargs, order: 1 },
  preprocessor_name: 'DefaultPreprocessor',
  UNet_class_name: 'PlainConvUNet',
  UNet_base_num_features: 4,
  unet_max_num_features: 6,
  n_conv_per_stage_encoder: [2, 2, 2],
  n_conv_per_stage_decoder: [2, 2],
  conv_kernel_sizes: [
    [1, 3, 3],
    [3, 3, 3],
    [3, 3, 3],
  ],
  pool_op_kernel_sizes: [
    [1, 1, 1],
    [1, 2, 2],
    [2, 2, 2],
  ],
};
const plans = {
  plans_name: 'nnUNetPlans',
  image_reader_writer: 'SimpleITKIO',
  transpose_forward: [2, 0, 1],
  transpose_backward: [1, 2, 0],
  configurations: { '3d_fullres': configuration, child: { inherits_from: '3d_fullres', spacing: [4, 5, 6] } },
  foreground_intensity_properties_by_modality: {
    0: { mean: 1, std: 2, percentile_00_5: -3, percentile_99_5: 4 },
  },
};
const dataset = { channel_names: { 0: 'CT' }, labels: { background: 0, spleen: 1 }, file_ending: '.nii.gz' };
const facts: CheckpointFacts = { configuration: '3d_fullres', trainer: 'nnUNetTrainer', mirrorAxes: [0, 1] };

function planFault(change: (plans: typeof configuration) => object, more: object = {}): string {
  const changed = { ...plans, ...more, configurations: { '3d_fullres': change(configuration) } };
  try {
    readPlan({ plans: changed, dataset }, facts, 'folder');
  } catch (error) {
    assert.instance(error, ModelError);
    return messageOf(error);
  }
  throw new Error('the plan was accepted');
}

test('axes, spacing and patch of a plan come out with x first', () => {
  const { card, patch } = readPlan({ plans, dataset }, facts, 'folder');
  assert.equal(patch, [24, 16, 8]);
  assert.equal(card.spacing, [1, 2, 3]);
  // Network axes 0, 1, 2 are array axes 2, 0, 1, which are the voxel axes x, z, y.
  assert.equal(card.axes, [1, 2, 0]);
  assert.equal(card.mirror, ['z', 'y']);
  assert.equal(card.channels, [{ name: 'CT', scheme: 'ct', mean: 1, std: 2, low: -3, high: 4 }]);
});

test('a plan of the old style means the network that a plan of the new style spells out', () => {
  const { network } = readPlan({ plans, dataset }, facts, 'folder');
  assert.is(network.type, 'PlainConvUNet');
  assert.equal(network.config['features_per_stage'], [4, 6, 6]);
  assert.equal(network.config['n_conv_per_stage'], [2, 2, 2]);
  const architecture = {
    network_class_name: 'dynamic_network_architectures.architectures.unet.PlainConvUNet',
    arch_kwargs: { ...network.config },
  };
  const modern = { ...plans, configurations: { '3d_fullres': { ...configuration, architecture } } };
  assert.equal(readPlan({ plans: modern, dataset }, facts, 'folder').network, network);
});

test('a configuration that inherits keeps what it does not overwrite', () => {
  const { card, patch } = readPlan({ plans, dataset }, { ...facts, configuration: 'child' }, 'folder');
  assert.equal(card.spacing, [6, 5, 4]);
  assert.equal(patch, [24, 16, 8]);
});

test('a 2D configuration keeps the spacing of the slices and reads windows of one slice', () => {
  const flat = {
    ...configuration,
    patch_size: [16, 24],
    spacing: [2, 1],
    conv_kernel_sizes: [
      [3, 3],
      [3, 3],
      [3, 3],
    ],
    pool_op_kernel_sizes: [
      [1, 1],
      [2, 2],
      [2, 2],
    ],
  };
  const content = { plans: { ...plans, configurations: { '3d_fullres': flat } }, dataset };
  const { card, patch } = readPlan(content, facts, 'folder');
  assert.equal(patch, [24, 16, 1]);
  assert.equal(card.spacing, [1, 2, null]);
  assert.equal(card.mirror, ['y', 'x']);
});

test('what a newer plan or an extension asks for is refused by name', () => {
  assert.match(
    planFault((one) => ({ ...one, resampling_fn_data: 'resample_torch_fornnunet' })),
    /folder\/plans\.json, configuration 3d_fullres: resampling_fn_data is "resample_torch_fornnunet", but only/,
  );
  assert.match(
    planFault((one) => ({
      ...one,
      architecture: {
        network_class_name: 'dynamic_network_architectures.architectures.primus.Primus',
        arch_kwargs: {},
      },
    })),
    /the network is "dynamic_network_architectures\.architectures\.primus\.Primus", but only PlainConvUNet and/,
  );
  assert.match(
    planFault(({ UNet_class_name: _, ...one }) => one),
    /has neither an "architecture" nor a "UNet_class_name"/,
  );
  assert.match(
    planFault((one) => ({ ...one, normalization_schemes: ['SomeNormalization'] })),
    /normalization of channel 0 is "SomeNormalization"/,
  );
  assert.match(
    planFault((one) => ({ ...one, previous_stage: '3d_lowres' })),
    /previous_stage is "3d_lowres"/,
  );
  assert.match(
    planFault((one) => one, { image_reader_writer: 'Tiff3DIO' }),
    /image_reader_writer is "Tiff3DIO", but only SimpleITKIO, NibabelIO or NibabelIOWithReorient/,
  );
});

test('labels: a region for each output, and none for the label to ignore', () => {
  const regions = readLabels(
    { labels: { background: 0, whole: [1, 2], core: [2], ignore: 3 }, regions_class_order: [1, 2] },
    'dataset.json',
  );
  assert.equal(regions, { outputs: 2, regions: [1, 2], names: { 0: 'background', 1: 'whole', 2: 'core' } });
  const plain = readLabels({ labels: { background: 0, a: 1, ignore: 2 } }, 'dataset.json');
  assert.equal(plain, { outputs: 2, names: { 0: 'background', 1: 'a' } });
  assert.throws(
    () => readLabels({ labels: { background: 0, whole: [1, 2] } }, 'd.json'),
    /regions_class_order is missing/,
  );
});

const text = (value: string) => `X${String.fromCharCode(value.length)}\0\0\0${value}`;

/** The pickle of a checkpoint with the facts that a plan is read with, and other entries. */
const checkpointWith = (...entries: (number | string)[]) =>
  buildCheckpoint(
    pickleOf(
      ...['}', '(', text('trainer_name'), text('nnUNetTrainer'), text('init_args'), '}', '('],
      ...[text('configuration'), text('3d_fullres'), 'u', ...entries, 'u'],
    ),
  );

test('a trained folder that is damaged or hostile is refused in a sentence, and nothing in it is run', async () => {
  const sound = { plans: JSON.stringify(plans), dataset: JSON.stringify(dataset) };
  const owned = join(temporaryFolder(), 'owned');
  const system = ['cposix\nsystem\n', text(`touch ${owned}`), 0x85, 'R'];
  const weightsOf = (...entries: (number | string)[]) =>
    checkpointWith(text('network_weights'), '}', '(', ...entries, 'u');
  const cases: [string, { plans?: string; dataset?: string; checkpoint?: Buffer }, RegExp][] = [
    ['a checkpoint that is a call', { checkpoint: buildCheckpoint(pickleOf(...system)) }, /posix\.system/],
    ['a call beside the facts', { checkpoint: checkpointWith(text('logging'), ...system) }, /posix\.system/],
    ['a call among the weights', { checkpoint: weightsOf(text('w'), ...system) }, /posix\.system/],
    [
      'a checkpoint of something else',
      { checkpoint: buildCheckpoint(pickleOf('}')) },
      /not a checkpoint of nnU-Net/,
    ],
    [
      'a file that is no checkpoint',
      { checkpoint: Buffer.from('<html>') },
      /checkpoint_final\.pth cannot be read/,
    ],
    [
      'a checkpoint without weights',
      { checkpoint: weightsOf() },
      /checkpoint_final\.pth.* no tensors are in them/,
    ],
    ['plans that are cut off', { plans: sound.plans.slice(0, 99) }, /plans\.json is not valid JSON/],
    ['plans that are a list', { plans: '[]' }, /plans\.json: the content is \[\]/],
    ['a dataset without labels', { dataset: '{}' }, /dataset\.json: labels is missing, but it must be a map/],
    [
      'sizes that are texts',
      { plans: sound.plans.replace('"patch_size":[8', '"patch_size":["8"') },
      /configuration 3d_fullres: patch_size\.0 is "8", but it must be a number\. nnU-Net v2 did not write/,
    ],
    [
      'an empty checkpoint',
      { checkpoint: Buffer.alloc(0) },
      /checkpoint_final\.pth cannot be read .*it is empty/,
    ],
    [
      'a configuration that the plans lack',
      { plans: JSON.stringify({ ...plans, configurations: { '2d': configuration } }) },
      /plans\.json has no configuration "3d_fullres", which the checkpoint was trained with; it has 2d/,
    ],
    [
      'a planner of another version',
      { plans: JSON.stringify({ ...plans, label_manager: 'LabelManager3' }) },
      /label_manager is "LabelManager3", but only LabelManager can be used\. The plan may be of another version/,
    ],
  ];
  for (const [what, given, expected] of cases) {
    const folder = join(temporaryFolder(), 'Dataset1_A', 'trained');
    mkdirSync(join(folder, 'fold_0'), { recursive: true });
    const { checkpoint = weightsOf(), ...texts } = { ...sound, ...given };
    writeFileSync(join(folder, 'plans.json'), texts.plans);
    writeFileSync(join(folder, 'dataset.json'), texts.dataset);
    writeFileSync(join(folder, 'fold_0', 'checkpoint_final.pth'), checkpoint);
    const error = await openNnunet(folder)
      .then((opened) => importNnunet(opened, opened.card))
      .then(
        () => undefined,
        (thrown) => thrown,
      );
    assert.instance(error, ModelError, `${what}: ${error}`);
    assert.match(messageOf(error), expected, `${what}: ${messageOf(error)}`);
  }
  assert.not(existsSync(owned));
});

const trained = (name: string) => sharedPath(`nnunet/models/${name}`);
const regionsModel = trained('Dataset904_Regions/nnUNetTrainer_onlyMirror01__nnUNetPlans__3d_fullres_bs4');

testNeeding(shared('nnunet'), 'every trained folder becomes a model that runs', async () => {
  for (const name of ['Dataset902_MRAniso', 'Dataset903_MRResEnc', 'Dataset904_Regions']) {
    for (const folder of await findTrained(trained(name))) {
      const opened = await openNnunet(folder);
      const made = await importNnunet(opened, opened.card);
      const out = join(temporaryFolder(), 'model');
      const { card } = await writeModelFolder(out, made);
      assert.equal(
        card.nnunet?.folds.map((fold) => fold.name),
        name.includes('903') ? ['all'] : ['0'],
      );
      const fold = await findModel(join(out, card.nnunet?.folds[0].folder ?? ''));
      assert.is((await findModel(out)).sha256, fold.sha256);
    }
  }
});

testNeeding(
  shared('nnunet'),
  'weights that do not fit the plan are named, and a fold that is missing',
  async () => {
    const folder = join(temporaryFolder(), 'Dataset1_A', 'trained');
    mkdirSync(folder, { recursive: true });
    cpSync(regionsModel, folder, { recursive: true });
    const text = readFileSync(join(folder, 'plans.json'), 'utf8');
    rmSync(join(folder, 'plans.json'));
    writeFileSync(
      join(folder, 'plans.json'),
      // Python writes NaN where a channel has no foreground.
      text
        .replace(/"median": [\d.]+/, '"median": NaN')
        .replaceAll('"n_conv_per_stage": [', '"n_conv_per_stage": [ 1, '),
    );
    const failed = async (work: Promise<unknown>) => work.then(() => 'nothing was thrown', messageOf);
    const wrong = await openNnunet(folder);
    assert.match(
      await failed(importNnunet(wrong, wrong.card)),
      /n_conv_per_stage has 5 entries, but n_stages is 4/,
    );
    rmSync(join(folder, 'plans.json'));
    writeFileSync(
      join(folder, 'plans.json'),
      text.replace(/"features_per_stage": \[\s*4/g, '"features_per_stage": [8'),
    );
    const opened = await openNnunet(folder);
    assert.match(
      await failed(importNnunet(opened, opened.card)),
      /checkpoint_final\.pth does not fit .*plans\.json\. .*trainer "nnUNetTrainer_onlyMirror01".*\.conv\.weight is/s,
    );
    assert.match(
      await failed(openNnunet(folder, { folds: ['3'] })),
      /There is no .*fold_3.checkpoint_final\.pth.*Its folds are: 0/,
    );
  },
);

test.run();
