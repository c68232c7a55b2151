import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readCommandLine } from '#src/bundle/config/commandLine.js';
import { loadBundleConfig } from '#src/bundle/config/load.js';
import { inferenceConfig } from '#src/bundle/init/inferenceConfig.js';
import { writeBundle } from '#src/bundle/init/writeBundle.js';
import { workflowOf } from '#src/bundle/targets/workflow.js';
import { parseCard } from '#src/models/card.js';
import { writeModelFolder } from '#src/models/folder.js';
import { newNetwork } from '#src/onnx/builders/buildNetwork.js';
import { networkFromCheckpoint } from '#src/onnx/builders/networkFromCheckpoint.js';
import { writeModel } from '#src/onnx/modelFile.js';
import { permuteAxes } from '#src/onnx/passes/permuteAxes.js';
import { fixtures, temporaryFolder, voxstream } from '../e2e/harness.js';

const network = { spatial_dims: 3, in_channels: 1, out_channels: 2, channels: [2, 3], strides: [2] };
const card = {
  name: 'tiny',
  axes: 'zyx',
  weightAxes: 'xyz',
  labels: { 0: 'background', 1: 'spleen' },
  network: { type: 'UNet', ...network },
  input: {
    channels: 1,
    patch: [32, 16, 8],
    preprocessing: [
      { load: { labelKeys: ['label'], nonFinite: true } },
      { orient: { axcodes: 'RAS' } },
      { spacing: { pixdim: [1.5, 1.5, 2], mode: 'bilinear' } },
      { scaleIntensityRange: { aMin: -57, aMax: 164, bMin: 0, bMax: 1, clip: true } },
    ],
  },
  output: { channels: 2, activation: 'softmax' },
};

function workflow(
  files: readonly string[],
  words: readonly string[],
  warn: (message: string) => void = () => {},
) {
  const given = readCommandLine(['--config_file', JSON.stringify(files), ...words]);
  return workflowOf(loadBundleConfig(given, { environment: {}, accelerators: 0, warn }));
}

test('a model becomes a bundle with its steps, its windows and its weights', async () => {
  const folder = temporaryFolder();
  const graph = newNetwork('UNet', network, 5);
  const bytes = writeModel(permuteAxes(graph));
  const model = await writeModelFolder(join(folder, 'model'), { bytes, card });
  const bundle = join(folder, 'bundle');
  const { files, notes } = await writeBundle(model, bundle);
  assert.equal(notes, []);
  assert.is(files.length, 5);
  const config = join(bundle, 'configs/inference.json');
  const { evaluations } = workflow([config], ['--bundle_root', bundle, '--datalist', "['/data/a.nii.gz']"]);
  const [plan] = evaluations;
  const named = (steps: typeof plan.before) =>
    steps.map((step) => (step.kind === 'operator' ? step.name : step.kind));
  assert.equal(named(plan.before), ['load', 'orient', 'spacing', 'scaleIntensityRange']);
  assert.equal(named(plan.after), ['activations', 'invert', 'asDiscrete', 'save']);
  const scaling = plan.before[3];
  assert.equal(scaling.kind === 'operator' && scaling.options, {
    aMin: -57,
    aMax: 164,
    bMin: 0,
    bMax: 1,
    clip: true,
    keys: 'image',
  });
  assert.equal(plan.inference['roiSize'], [32, 16, 8]);
  const read = await networkFromCheckpoint(plan.network.type, plan.network.config, plan.checkpoint as string);
  for (const [name, { data }] of graph.initializers) {
    assert.equal(read.graph.initializers.get(name)?.data, data, name);
  }
  const metadata = JSON.parse(readFileSync(join(bundle, 'configs/metadata.json'), 'utf8'));
  assert.equal(metadata.network_data_format.outputs.pred.channel_def, { 0: 'background', 1: 'spleen' });
  await writeBundle(model, bundle).then(
    () => assert.unreachable(),
    (error) => assert.match(error.message, /bundle is not empty/),
  );
});

test('a model that MONAI cannot run is refused', () => {
  const refused = (changes: object, message: RegExp) =>
    assert.throws(() => inferenceConfig(parseCard({ ...card, ...changes }, 'the card')), message);
  refused({ network: undefined }, /The card of tiny names no network/);
  refused({ network: { type: 'PlainConvUNet' } }, /MONAI has no network PlainConvUNet/);
  refused({ input: {} }, /does not list its preprocessing/);
  const preprocessing = ['load', { resampleByPlans: {} }];
  refused({ input: { preprocessing } }, /has resampleByPlans, which "bundle init" cannot write/);
});

test('a TorchScript program in place of a network stands for the network that it was made from', () => {
  const train = join(fixtures, 'bundles/spleen_ct_segmentation/train.json');
  const folder = temporaryFolder();
  const script = join(folder, 'trt.json');
  const content = {
    network_def: "$torch.jit.load(@bundle_root + '/models/model_trt.ts')",
    run: ['$@validate#evaluator.run()'],
  };
  writeFileSync(script, JSON.stringify(content));
  const warnings: string[] = [];
  const images = ['--images', '["/data/a.nii.gz"]', '--labels', '["/data/b.nii.gz"]'];
  const words = ['--bundle_root', folder, ...images];
  const { evaluations } = workflow([train, script], words, (message) => warnings.push(message));
  assert.is(evaluations[0].network.type, 'UNet');
  const checkpoint = () => workflow([train, script], words, () => {}).evaluations[0].checkpoint;
  assert.is(evaluations[0].checkpoint, `${folder}/models/model.pt`);
  mkdirSync(join(folder, 'models'));
  writeFileSync(join(folder, 'models/model_trt.ts'), '');
  assert.is(checkpoint(), `${folder}/models/model_trt.ts`);
  // A program for TensorRT may hold an engine without weights.
  writeFileSync(join(folder, 'models/model.pt'), '');
  assert.is(checkpoint(), `${folder}/models/model.pt`);
  assert.match(
    warnings.join(),
    /replaces network_def by a TorchScript program, which voxstream does not run/,
  );
});

test('torchrun and trt_export are answered with what does the same', async () => {
  const words = ['--nproc_per_node=2', '-m', 'monai.bundle', 'run', '--config_file', "['a.json','b.json']"];
  const [launch, engine] = await Promise.all([
    voxstream(['bundle', 'torchrun', '--standalone', ...words]),
    voxstream(['bundle', 'trt_export', '--net_id', 'network_def', '--filepath', 'models/model_trt.ts']),
  ]);
  assert.is(launch.code, 1);
  assert.match(launch.stderr, /voxstream bundle run --config_file "\['a.json','b.json'\]" --device cuda:0,1/);
  assert.is(engine.code, 1);
  assert.match(engine.stderr, /nothing was written.*--device tensorrt:0/);
});

test.run();
