import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { z } from 'zod';

import { OptionError } from '#src/errors.js';
import { loss } from '#src/onnx/training/loss.js';
import { describePipeline } from '#src/pipeline/describePipeline.js';
import { loadPipeline, parsePipeline } from '#src/pipeline/load.js';
import { createRegistry } from '#src/pipeline/registry.js';
import { runPipeline } from '#src/pipeline/run.js';
import { pipelineSchema } from '#src/pipeline/schema.js';

const text = `name: tiny
vars: { rate: 0.01, classes: 2, root: data }
source: { decathlon: { root: '\${root}', split: train } }
steps:
  - load
  - randCropByPosNegLabel: { spatialSize: 16 }
train:
  network: { UNet: { spatial_dims: 3, in_channels: 1, out_channels: '\${classes}', channels: [4, 8], strides: [2], norm: batch } }
  loss: { diceCE: { softmax: true } }
  optimizer: { novograd: { learningRate: '\${rate}' } }
  epochs: 3
  validation:
    every: 2
    source: { decathlon: { root: '\${root}', split: validation } }
    steps:
      - load
      - inference: { roiSize: 16 }
      - asDiscrete: { argmax: true }
      - dice
`;

/** The sentences with which a pipeline is rejected. */
function faults(changed: string, set: readonly string[] = []): string[] {
  try {
    parsePipeline(changed, 'tiny.yaml', { set });
  } catch (error) {
    assert.instance(error, OptionError);
    return (error as Error).message.split('\n');
  }
  throw new Error('It was not refused.');
}

test('a train block is read with its defaults, references and overrides', () => {
  const { train } = parsePipeline(text, 'tiny.yaml', {
    set: ['train.epochs=7', 'train.validation.steps.1.inference.overlap=0.5'],
  });
  assert.is(train?.network?.definition.name, 'UNet');
  assert.equal(train?.network?.options, {
    spatial_dims: 3,
    in_channels: 1,
    out_channels: 2,
    channels: [4, 8],
    strides: [2],
    norm: 'batch',
  });
  assert.is(train?.loss.options['smoothNr'], 1e-5);
  assert.is(train?.optimizer.options['learningRate'], 0.01);
  assert.equal([train?.epochs, train?.batchSize, train?.schedule.definition.name], [7, 1, 'constant']);
  assert.equal(
    train?.validation?.steps.map(({ id }) => id),
    ['load', 'inference', 'asDiscrete', 'dice'],
  );
  assert.equal(train?.validation?.steps[1].options['overlap'], [0.5, 0.5, 0.5]);
  assert.equal([train?.validation?.metric, train?.validation?.goal], ['dice', 'max']);
  const other = parsePipeline(text, 'tiny.yaml', { set: ['train.optimizer={adam: {learningRate: 1e-4}}'] });
  assert.is(other.train?.optimizer.definition.name, 'adam');
});

test('the source of a validation takes what it does not state from the source of the pipeline', () => {
  const validating = (set: string) =>
    parsePipeline(text, 'tiny.yaml', { set: [set] }).train?.validation?.source.options;
  const wanted = { root: 'data', split: 'validation', validation: 7 };
  assert.equal(validating('source.validation=7'), wanted);
  assert.equal(validating('source={decathlon: {root: elsewhere, validation: 7}}'), wanted);
  assert.is(validating('source={glob: {image: x}}')?.['validation'], 9, 'another kind of source');
  // Without a source, it is the validation split of the source of the pipeline.
  assert.equal(validating('train.validation.source='), { ...validating('name=x'), split: 'validation' });
  assert.throws(
    () =>
      parsePipeline(text, 'tiny.yaml', { set: ['train.validation.source=', 'source={glob: {image: x}}'] }),
    /source must have one of .* as its only key, but it is missing\./,
  );
});

test('a described pipeline can be read again with the same result', () => {
  const described = describePipeline(parsePipeline(text));
  assert.equal(describePipeline(parsePipeline(JSON.stringify(described))), described);
});

test('all faults are reported at once with file, line and field', () => {
  const bad = text
    .replace('diceCE: { softmax: true }', 'diceCe: {}')
    .replace('novograd: {', 'novograd: { momentum: 1,')
    .replace('epochs: 3', 'epochs: 0')
    .replace('inference: {', 'inferense: {');
  assert.equal(faults(bad.replace('epochs: 0', 'epochs: 3')), [
    'tiny.yaml:9: there is no loss "diceCe"; did you mean "diceCE"?',
    'tiny.yaml:10: optimizer novograd, momentum is not an option of novograd; known are learningRate, betas, eps, weightDecay, gradAveraging and amsgrad.',
    'tiny.yaml:17: validation step 2: there is no operator "inferense"; did you mean "inference"?',
  ]);
  assert.match(faults(bad)[0], /^tiny.yaml:11: train, epochs must be at least 1, but it is 0/);
  assert.match(
    faults(text, ['train.epohcs=3'])[0],
    /train, epohcs is not an option of train; did you mean "epochs"/,
  );
  assert.match(faults(text.replace('[4, 8]', '[4]'))[0], /^tiny.yaml:8: network UNet, channels must be /);
  assert.match(
    faults(text.replace(/ {2}network.*\n/, ''))[0],
    /train needs a network or a model to start from/,
  );
  assert.match(faults(`${text}sinks: [metricsCsv]`)[0], /a training pipeline has no sinks/);
  assert.match(
    faults(text.replace(/ {2}validation:[\s\S]*/, '  earlyStopping: { patience: 3 }\n'))[0],
    /earlyStopping needs a validation/,
  );
  assert.match(
    faults(text.replace('split: validation', 'splt: validation'))[0],
    /^tiny.yaml:14: source decathlon, splt is not an option/,
  );
});

test('invalid options of a loss or an optimizer are rejected when the file is read', () => {
  const sgd = text.replace('novograd: {', 'sgd: { nesterov: true,');
  assert.equal(faults(sgd), [
    'tiny.yaml:10: optimizer sgd, nesterov is true, but it needs a momentum above 0.',
  ]);
  assert.equal(faults(text.replace('softmax: true', 'softmax: true, sigmoid: true')), [
    'tiny.yaml:9: loss diceCE, sigmoid and softmax are both true, but at most one of them must be.',
  ]);
});

test('a loss from another package can be used, described and validated', () => {
  const sum = loss({
    name: 'sumOfLogits',
    summary: 'The sum of all logits.',
    options: { factor: z.number().default(1).describe('Multiplies the sum') },
    example: { factor: 2 },
    create: ({ factor }) => ({
      build: (ops, { logits }) => ops.scale(ops.node('ReduceSum', [logits], { keepdims: 0 }), factor),
    }),
  });
  const registry = createRegistry({ losses: [sum] });
  const changed = text.replace('diceCE: { softmax: true }', 'sumOfLogits');
  const { train } = parsePipeline(changed, 'tiny.yaml', { registry });
  assert.is(train?.loss.definition, sum);
  assert.equal(train?.loss.options, { factor: 1 });
  const schema = JSON.stringify(pipelineSchema(registry));
  assert.match(schema, /"title":"sumOfLogits","description":"The sum of all logits\."/);
  assert.match(schema, /"title":"diceCE","description":"Dice loss plus cross entropy\."/);
});

test('a model to start from needs no network', () => {
  const { train } = parsePipeline(text.replace(/ {2}network.*\n/, ''), 'tiny.yaml', {
    set: ['train.model=models/other'],
  });
  assert.equal([train?.model, train?.network], ['models/other', undefined]);
});

test('run rejects a training pipeline', async () => {
  const error = await runPipeline(parsePipeline(text, 'tiny.yaml')).catch((fault) => fault);
  assert.match(error.message, /tiny.yaml has a train block. Run it with "voxstream train"/);
});

/** Converts `lambda_dice` to `lambdaDice`. */
const camel = (name: string) => name.replace(/_(\w)/g, (_, letter) => letter.toUpperCase());

/** A component of a MONAI bundle's configuration. */
type Component = Readonly<Record<string, unknown>>;

/** Fails unless `options` contains each parameter of a MONAI component under its name in camelCase. */
function sameParameters(options: Component, component: Component, ...except: string[]): void {
  for (const [name, value] of Object.entries(component)) {
    if (name === '_target_' || except.includes(name)) continue;
    assert.equal(options[camel(name)], value, `${component['_target_']} ${name}`);
  }
}

test("spleen-train.yaml matches the bundle's train.json, field by field", async () => {
  // As published in MONAI's model zoo: spleen_ct_segmentation 0.5.9.
  const bundle = JSON.parse(readFileSync('test/fixtures/bundles/spleen_ct_segmentation/train.json', 'utf8'));
  const { source, steps, train, runtime } = await loadPipeline(['pipelines/spleen-train.yaml']);
  assert.ok(train?.validation);
  const { validation } = train;

  // images[:-9] and images[-9:] of the sorted files.
  assert.match(bundle.train.dataset.data, /@images\[:-9\]/);
  assert.match(bundle.validate.dataset.data, /@images\[-9:\]/);
  assert.equal([source.options['split'], source.options['validation']], ['train', 9]);
  assert.equal(
    [validation.source.options['split'], validation.source.options['validation']],
    ['validation', 9],
  );

  const mirrored = {
    LoadImaged: 'load',
    Orientationd: 'orient',
    Spacingd: 'spacing',
    ScaleIntensityRanged: 'scaleIntensityRange',
  };
  const deterministic = (bundle.train.deterministic_transforms as Component[]).filter(
    ({ _target_ }) => !['EnsureChannelFirstd', 'EnsureTyped'].includes(_target_ as string),
  );
  for (const list of [steps, validation.steps]) {
    assert.equal(
      list.slice(0, 5).map(({ id }) => id),
      [...deterministic.map(({ _target_ }) => mirrored[_target_ as keyof typeof mirrored]), 'cache'],
    );
    for (const [i, transform] of deterministic.entries()) {
      sameParameters(list[i].options, transform, 'keys', 'mode');
    }
    assert.equal(list[2].options['mode'], { image: 'bilinear', label: 'nearest' });
  }
  const [crop, ...others] = bundle.train.random_transforms;
  sameParameters({ ...steps[5].options, labelKey: 'label' }, crop, 'keys');
  assert.equal([others.length, steps.length], [0, 6]);

  const { _target_: network, ...parameters } = bundle.network_def;
  assert.equal([train.network?.definition.name, train.network?.options], [network, parameters]);
  assert.equal([bundle.loss._target_, train.loss.definition.name], ['DiceCELoss', 'diceCE']);
  sameParameters(train.loss.options, bundle.loss);
  assert.equal([bundle.optimizer._target_, train.optimizer.definition.name], ['Novograd', 'novograd']);
  assert.equal(train.optimizer.options, {
    learningRate: bundle.optimizer.lr,
    betas: [0.9, 0.98],
    eps: 1e-8,
    weightDecay: 0,
    gradAveraging: false,
    amsgrad: false,
  });
  assert.equal(
    [bundle.lr_scheduler._target_.split('.').at(-1), train.schedule.definition.name],
    ['StepLR', 'step'],
  );
  const { step_size: size, gamma } = bundle.lr_scheduler;
  assert.equal(train.schedule.options, { size, gamma, per: 'epoch', warmUp: 0, warmUpFrom: 0 });
  assert.equal(
    [train.epochs, train.batchSize, train.amp],
    [bundle.epochs, bundle.train.dataloader.batch_size, bundle.train.trainer.amp],
  );
  assert.match(bundle.initialize[0], new RegExp(`seed=${runtime.seed}\\)`));

  assert.equal([validation.every, validation.atStart], [bundle.val_interval, false]);
  const [, , , , , inference, activations, asDiscrete, dice] = validation.steps;
  const { overlap, ...windows } = bundle.validate.inferer;
  sameParameters(inference.options, windows);
  assert.equal(inference.options['overlap'], [overlap, overlap, overlap]);
  assert.is(activations.options['softmax'], true);
  assert.is(asDiscrete.options['argmax'], true);
  assert.equal([dice.id, validation.metric, validation.goal], ['dice', 'dice', 'max']);
  assert.is(validation.steps.length, 9);
});

test.run();
