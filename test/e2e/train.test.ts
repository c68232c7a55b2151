import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readTensors } from '#src/onnx/training/tensorFile.js';
import { synthDataset } from '#src/synth/dataset.js';
import { actAtEvents } from './actAtEvents.js';
import { readCsv, root, temporaryFolder, voxstream } from './harness.js';

const folder = temporaryFolder();
const dataset = join(folder, 'phantoms');
await synthDataset(dataset, { cases: 5, testCases: 0, seed: 3, size: [32, 32, 16] });

/** A tiny training: seconds, not minutes. */
const pipeline = join(folder, 'tiny.yaml');
writeFileSync(
  pipeline,
  `name: tiny
vars: { dataset: '${dataset}' }
source: { decathlon: { root: '\${dataset}', split: train, validation: 1 } }
steps:
  - load
  - orient: { axcodes: RAS }
  - scaleIntensityRange: { aMin: -57, aMax: 164, bMin: 0, bMax: 1, clip: true }
  - cache
  - randCropByPosNegLabel: { spatialSize: 16, numSamples: 2, imageKey: image }
  - randFlip: { prob: 0.5, spatialAxis: 1 }
  - randShiftIntensity: { offsets: 0.1, prob: 0.5 }
train:
  network: { UNet: { spatial_dims: 3, in_channels: 1, out_channels: 2, channels: [4, 8], strides: [2], norm: batch } }
  loss: { diceCE: { softmax: true, squaredPred: true, batch: true } }
  optimizer: { adam: { learningRate: 0.02 } }
  schedule: { cosine: {} }
  epochs: 3
  batchSize: 1
  saveEvery: 1
  validation:
    every: 3
    source: { decathlon: { split: validation } }
    steps:
      - load
      - orient: { axcodes: RAS, keys: image }
      - scaleIntensityRange: { aMin: -57, aMax: 164, bMin: 0, bMax: 1, clip: true }
      - cache: { memory: 1024, dir: '${join(folder, 'cases')}' }
      - inference: { roiSize: 16 }
      - asDiscrete: { argmax: true }
      - invert: { keys: pred, like: image }
      - dice
  card: { license: CC0-1.0, input: { modality: CT } }
runtime: { device: cpu, seed: 5 }
`,
);
const train = (output: string, ...more: string[]) => [
  'train',
  pipeline,
  '--set',
  `output=${join(folder, output)}`,
  ...more,
];
const weights = async (output: string) => {
  const { tensors } = await readTensors(join(folder, output, 'checkpoint', 'last.safetensors'));
  return Object.fromEntries(
    [...tensors].map(([name, { data }]) => [name, Buffer.from(data.buffer).toString('base64')]),
  );
};

test('a training leaves a model that inference takes, its card filled in, and records to look at', async () => {
  const { code, stdout, stderr } = await voxstream(train('whole'));
  assert.is(code, 0, stderr);
  assert.match(stdout, /Best dice: 0\.\d+, after epoch \d/);
  assert.match(
    stderr,
    /tiny: 4 case\(s\), 1 for validation, 3 epochs of 4 step\(s\), 2 patches of 16 x 16 x 16 a step/,
  );
  const output = join(folder, 'whole');
  const rows = readCsv(join(output, 'train.csv'));
  assert.equal(
    rows.map(({ epoch, step }) => [epoch, step]),
    [
      ['0', '0'],
      ['1', '4'],
      ['2', '8'],
      ['3', '12'],
    ],
  );
  assert.ok(Number(rows[3].loss) < Number(rows[1].loss), 'the loss falls');
  assert.ok(Number(rows[1].learning_rate) === 0.02 && Number(rows[3].learning_rate) < 0.02);
  assert.ok(rows[3].dice_spleen !== '' && rows[2].dice_spleen === '', 'validated where it was due');
  const card = JSON.parse(readFileSync(join(output, 'model', 'metadata.json'), 'utf8'));
  assert.equal(card.labels, { 0: 'background', 1: 'spleen' });
  assert.equal([card.name, card.license, card.input.modality], ['tiny', 'CC0-1.0', 'CT']);
  assert.equal([card.input.channels, card.input.patch, card.input.valueRange], [1, [16, 16, 16], [0, 1]]);
  assert.equal([card.training.cases, card.training.epochs, card.training.seed], [4, 3, 5]);
  assert.match(card.training.command, /^voxstream train .*tiny\.yaml --set output=/);
  assert.is(card.training.reached.metric, 'dice');
  assert.equal(readdirSync(output).sort(), [
    '.voxstream',
    'checkpoint',
    'failures.csv',
    'model',
    'report',
    'run.json',
    'tensorboard',
    'train.csv',
  ]);
  assert.equal(readdirSync(join(output, '.voxstream')), ['targets.json'], 'nothing of a validation is left');
  // Each of the validations has another model, which the steps before the cache do not use.
  assert.is(readdirSync(join(folder, 'cases')).length, 1);
  assert.match(readFileSync(join(output, 'report', 'index.html'), 'utf8'), /training loss/);
  const run = JSON.parse(readFileSync(join(output, 'run.json'), 'utf8'));
  assert.equal([run.reason, run.steps, run.pipeline.train.epochs], ['finished', 12, 3]);
  assert.equal(run.cases.length, 4);

  const used = join(folder, 'used.yaml');
  writeFileSync(
    used,
    `source: { decathlon: { root: '${dataset}', split: validation, validation: 1 } }
steps:
  - load
  - orient: { axcodes: RAS, keys: image }
  - scaleIntensityRange: { aMin: -57, aMax: 164, bMin: 0, bMax: 1, clip: true }
  - inference: { model: '${join(output, 'model')}' }
  - asDiscrete: { argmax: true }
  - invert: { keys: pred, like: image }
  - dice
sinks: [metricsCsv]
`,
  );
  const inferred = await voxstream([
    'run',
    used,
    '--device',
    'cpu',
    '--set',
    `output=${join(folder, 'used')}`,
  ]);
  assert.is(inferred.code, 0, inferred.stderr);
  const [{ dice_spleen: dice }] = readCsv(join(folder, 'used', 'metrics.csv'));
  const best = rows.reduce((most, row) => Math.max(most, Number(row.dice_spleen)), 0);
  assert.ok(Math.abs(Number(dice) - best) < 1e-3, `${dice}, in training ${best}`);
});

test('killed at random steps and resumed, a training ends with the same weights to the bit', async () => {
  const expected = await weights('whole');
  // Another seed each time the test runs would make a failure hard to repeat; these are three kills at
  // different places.
  for (const kill of [2, 5, 9]) {
    const { signal, stderr } = await voxstream(
      train('killed', '--json', ...(kill > 2 ? ['--resume'] : [])),
      actAtEvents([{ at: { event: 'step', epoch: Math.ceil(kill / 4), step: kill }, signal: 'SIGKILL' }]),
    );
    assert.is(signal, 'SIGKILL', stderr);
  }
  const { code, stderr } = await voxstream(train('killed', '--resume'));
  assert.is(code, 0, stderr);
  assert.match(stderr, /continuing after step \d/);
  assert.equal(await weights('killed'), expected);
  const rows = (output: string) =>
    readCsv(join(folder, output, 'train.csv')).map(({ epoch, step, loss, dice_spleen }) => [
      epoch,
      step,
      loss,
      dice_spleen,
    ]);
  assert.equal(rows('killed'), rows('whole'));
  const model = (output: string) => readFileSync(join(folder, output, 'model', 'model.onnx'));
  assert.ok(model('killed').equals(model('whole')), 'the best model, too');
});

test('Ctrl-C saves the state and ends with 130; the folder is not trained over by mistake', async () => {
  const { code, stdout, stderr } = await voxstream(
    train('stopped', '--json'),
    actAtEvents([{ at: { event: 'step' }, signal: 'SIGINT' }]),
  );
  assert.is(code, 130, stderr);
  assert.match(stdout, /"event":"end".*"reason":"interrupted"/);
  assert.ok(existsSync(join(folder, 'stopped', 'checkpoint', 'last.safetensors')));
  const again = await voxstream(train('stopped'));
  assert.is(again.code, 1);
  assert.match(
    again.stderr,
    /already holds a training. Use --resume to continue it, --overwrite to replace it/,
  );
  const other = await voxstream(train('stopped', '--resume', '--set', 'runtime.seed=6'));
  assert.is(other.code, 1);
  assert.match(
    other.stderr,
    /belongs to a training with other cases, steps, network, loss, optimizer, schedule, batch size, precision or seed/,
  );
});

test('files of others in the folders of a training stay, and are not replaced without --overwrite', async () => {
  const output = join(folder, 'shared');
  const others = ['model/LICENSE', 'report/notes.html', 'tensorboard/mine', 'checkpoint/old.pt', 'notes.txt'];
  for (const name of others) {
    mkdirSync(join(output, name, '..'), { recursive: true });
    writeFileSync(join(output, name), name);
  }
  writeFileSync(join(output, 'model/model.onnx'), 'of another program');
  const short = train('shared', '--set', 'train.epochs=1', '--set', 'train.validation.every=1');
  const refused = await voxstream(short);
  assert.is(refused.code, 1);
  assert.match(
    refused.stderr,
    /would replace 1 file\(s\) that no run in this folder is known to have written: .*model\/model\.onnx/,
  );
  assert.is(readFileSync(join(output, 'model/model.onnx'), 'utf8'), 'of another program');
  for (const extra of ['--overwrite', '--overwrite']) {
    const { code, stderr } = await voxstream([...short, extra]);
    assert.is(code, 0, stderr);
    for (const name of others) assert.is(readFileSync(join(output, name), 'utf8'), name);
    assert.is(readdirSync(join(output, 'tensorboard')).length, 2, 'only the last events');
  }
});

test('two workers train by --device cpu:2; early stopping ends it, and keeps a model that is better by less', async () => {
  const { code, stdout, stderr } = await voxstream(
    train(
      'early',
      '--device',
      'cpu:2',
      ...[
        'train.validation.every=1',
        'train.validation.atStart=false',
        'train.amp=true',
        'train.epochs=9',
        'train.earlyStopping={ patience: 5, minDelta: 1 }',
      ].flatMap((override) => ['--set', override]),
    ),
  );
  assert.is(code, 0, stderr);
  assert.match(stderr, /train.amp has no effect on cpu:2: CPUs compute in float32/);
  assert.match(stdout, /Stopped after 6 epochs: 5 validations brought no improvement/);
  const run = JSON.parse(readFileSync(join(folder, 'early', 'run.json'), 'utf8'));
  assert.equal([run.reason, run.steps], ['earlyStopping', 24]);
  const rows = readCsv(join(folder, 'early', 'train.csv'));
  assert.equal(
    rows.map(({ epoch }) => epoch),
    ['1', '2', '3', '4', '5', '6'],
  );
  const dices = rows.map((row) => Number(row.dice_spleen));
  const { training } = JSON.parse(readFileSync(join(folder, 'early', 'model', 'metadata.json'), 'utf8'));
  assert.ok(Math.abs(training.reached.value - Math.max(...dices)) < 1e-5);
  assert.is(training.epoch, dices.indexOf(Math.max(...dices)) + 1);
  assert.ok(training.epoch > 1, 'the test needs a model that got better');
});

test('--finetune goes on from a model, bad cases are left out, and --dry-run starts nothing', async () => {
  const broken = join(folder, 'broken');
  await synthDataset(broken, { cases: 5, testCases: 0, seed: 3, size: [32, 32, 16] });
  writeFileSync(join(broken, 'imagesTr', 'synth_002.nii.gz'), 'not an image');
  for (const name of ['imagesTr/synth_001.nii.gz', 'labelsTr/synth_001.nii.gz']) {
    const bytes = gunzipSync(readFileSync(join(broken, name)));
    // xyzt_units: metres.
    bytes[123] = 1;
    writeFileSync(join(broken, name), gzipSync(bytes));
  }
  const set = [
    '--set',
    `dataset=${broken}`,
    '--set',
    'train.epochs=1',
    '--set',
    'train.optimizer.adam.learningRate=0.001',
  ];
  const plan = await voxstream(
    train('tuned', '--finetune', join(folder, 'whole', 'model'), ...set, '--dry-run'),
  );
  assert.match(
    plan.stdout,
    /Training\n[\s\S]*model: ".*whole\/model"[\s\S]*4 step\(s\) per epoch, 1 epoch\(s\)[\s\S]*Validation: 1 case\(s\)/,
  );
  const lost = await voxstream(train('tuned', '--finetune', 'no_such_model', '--dry-run'));
  assert.match(lost.stderr, /There is no model "no_such_model"/);
  assert.is(lost.code, 1);
  assert.not.ok(existsSync(join(folder, 'tuned')));
  const { code, stderr } = await voxstream(
    train('tuned', '--finetune', join(folder, 'whole', 'model'), ...set, '--verbose'),
  );
  assert.is(code, 2, stderr);
  assert.match(stderr, /The log is .*run\.log/);
  const log = readFileSync(join(folder, 'tuned/.voxstream/run.log'), 'utf8');
  assert.match(log, /error of case synth_002: .*[\s\S]*DataError: .*synth_002\.nii\.gz.*\n[\s\S]*\n {4,}at /);
  assert.match(log, /^\S+Z \{"event":"epoch",.*"epoch":1,/m);
  assert.match(stderr, /synth_002: skipped: .*synth_002.nii.gz/);
  const [before, after] = readCsv(join(folder, 'tuned', 'train.csv'));
  assert.is(after.step, '3');
  const best = readCsv(join(folder, 'whole', 'train.csv')).map((row) => Number(row.dice_spleen || 0));
  assert.ok(
    Math.abs(Number(before.dice_spleen) - Math.max(...best)) < 1e-3,
    'it begins where the other ended',
  );
  // What was assumed about a case is printed once, and kept.
  assert.is(
    stderr.match(/Warning: synth_001: .*imagesTr\/synth_001\.nii\.gz is in metres/g)?.length,
    1,
    stderr,
  );
  const { notes } = JSON.parse(readFileSync(join(folder, 'tuned', 'run.json'), 'utf8'));
  assert.equal([Object.keys(notes), notes.synth_001.length], [['synth_001'], 2]);
  const tunedPage = readFileSync(join(folder, 'tuned', 'report', 'index.html'), 'utf8');
  assert.match(tunedPage, /<li>.*synth_001\.nii\.gz is in metres .* \(synth_001\)<\/li>/);
  const card = JSON.parse(readFileSync(join(folder, 'tuned', 'model', 'metadata.json'), 'utf8'));
  assert.is(card.training.finetuned, 'tiny');
  assert.equal(
    readCsv(join(folder, 'tuned', 'failures.csv')).map((row) => row.case),
    ['synth_002'],
  );
});

test('--use trains a network with a loss, an optimizer and a schedule from a package', async () => {
  mkdirSync(join(folder, 'node_modules'));
  symlinkSync(root, join(folder, 'node_modules/voxstream'));
  const definitions = join(folder, 'definitions.mjs');
  writeFileSync(
    definitions,
    `import { loss, network, optimizer, schedule, timed, timing, z } from 'voxstream/author';
const channels = z.int().min(1);
const line = network({
  name: 'OneConv',
  summary: 'A single convolution.',
  options: { in_channels: channels, out_channels: channels },
  example: { in_channels: 1, out_channels: 2 },
  build: (net, input, config) => {
    const dims = [config.out_channels, config.in_channels, 1, 1, 1];
    const weight = net.parameter('head.weight', dims, { part: 'kernel', fanIn: config.in_channels });
    return net.node('head', 'Conv', [input, weight], { kernel_shape: [1, 1, 1] });
  },
});
const size = loss({
  name: 'squares',
  summary: 'The sum of the squared logits, whatever the label.',
  options: {},
  example: {},
  create: () => ({ build: (ops, { logits }) => ops.node('ReduceSumSquare', [logits], { keepdims: 0 }) }),
});
const shrink = optimizer({
  name: 'shrink',
  summary: 'Multiplies all weights by 1 minus the learning rate.',
  options: { learningRate: z.number().positive() },
  example: { learningRate: 0.5 },
  create: ({ learningRate }) => ({
    learningRate,
    slots: [],
    start: (ops, scalars) => {
      const factor = ops.sub(ops.scalar(1), scalars.learningRate);
      return ({ weight }) => ({ weight: ops.mul(weight, factor), slots: [] });
    },
  }),
});
const half = schedule({
  name: 'half',
  summary: 'Half of the rate.',
  options: timing,
  example: {},
  create: (options) => timed(options, (rate) => () => rate / 2),
});
export default { networks: [line], losses: [size], optimizers: [shrink], schedules: [half] };
`,
  );
  const set = [
    'train.network={OneConv: {in_channels: 1, out_channels: 2}}',
    'train.loss=squares',
    'train.optimizer={shrink: {learningRate: 1}}',
    'train.schedule=half',
    'train.epochs=1',
  ].flatMap((override) => ['--set', override]);
  const { code, stderr } = await voxstream(train('packaged', '--use', definitions, ...set));
  assert.is(code, 0, stderr);
  const [, { step, learning_rate: rate }] = readCsv(join(folder, 'packaged', 'train.csv'));
  assert.equal([step, rate], ['4', '0.5']);
  const { tensors } = await readTensors(join(folder, 'packaged', 'checkpoint', 'last.safetensors'));
  const { tensors: best } = await readTensors(join(folder, 'packaged', 'checkpoint', 'best.safetensors'));
  const [first, last] = [best, tensors].map((all) =>
    Array.from(all.get('head.weight')?.data as Float32Array),
  );
  const steps = 4 - Number(best.get('optimizer.step')?.data[0]);
  assert.is(steps, 4);
  // Halved in each step, which float32 does exactly.
  assert.equal(
    last,
    first.map((weight) => weight / 2 ** steps),
  );
  assert.ok(last.length === 2 && last.some((weight) => weight !== 0));
});

test.run();
