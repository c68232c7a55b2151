import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { OptionError } from '#src/errors.js';
import { describePipeline, loadPipeline, parsePipeline } from '#src/pipeline/load.js';
import { runPipeline } from '#src/pipeline/run.js';

const text = `name: tiny
vars: { rate: 0.01, root: data }
source: { decathlon: { root: '\${root}', split: train } }
steps:
  - load
  - randCropByPosNegLabel: { spatialSize: 16 }
train:
  network: { UNet: { spatial_dims: 3, in_channels: 1, out_channels: 2, channels: [4, 8], strides: [2], norm: batch } }
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

/** The sentences that a pipeline is refused with. */
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
  assert.equal(train?.network, {
    name: 'UNet',
    options: {
      spatial_dims: 3,
      in_channels: 1,
      out_channels: 2,
      channels: [4, 8],
      strides: [2],
      norm: 'batch',
    },
  });
  assert.is(train?.loss.options['smoothNr'], 1e-5);
  assert.is(train?.optimizer.options['learningRate'], 0.01);
  assert.equal([train?.epochs, train?.batchSize, train?.schedule.name], [7, 1, 'constant']);
  assert.equal(
    train?.validation?.steps.map(({ id }) => id),
    ['load', 'inference', 'asDiscrete', 'dice'],
  );
  assert.equal(train?.validation?.steps[1].options['overlap'], [0.5, 0.5, 0.5]);
  assert.equal([train?.validation?.metric, train?.validation?.goal], ['dice', 'max']);
  const other = parsePipeline(text, 'tiny.yaml', { set: ['train.optimizer={adam: {learningRate: 1e-4}}'] });
  assert.is(other.train?.optimizer.name, 'adam');
});

test('what is described is read again as the same', () => {
  const described = describePipeline(parsePipeline(text));
  assert.equal(describePipeline(parsePipeline(JSON.stringify(described))), described);
});

test('faults are told with file, line and field, all at once', () => {
  const bad = text
    .replace('diceCE: { softmax: true }', 'diceCe: {}')
    .replace('novograd: {', 'novograd: { momentum: 1,')
    .replace('epochs: 3', 'epochs: 0')
    .replace('inference: {', 'inferense: {');
  assert.equal(faults(bad.replace('epochs: 0', 'epochs: 3')), [
    'tiny.yaml:9: there is no loss "diceCe"; did you mean "diceCE"?',
    'tiny.yaml:10: optimizer novograd, momentum is not an option of novograd; known are learningRate, betas, eps, weightDecay and gradAveraging.',
    'tiny.yaml:17: step 2: there is no operator "inferense"; did you mean "inference"?',
  ]);
  assert.match(faults(bad)[0], /^tiny.yaml:11: train, epochs must be at least 1, but it is 0/);
  assert.match(
    faults(text, ['train.epohcs=3'])[0],
    /train, epohcs is not an option of train; did you mean "epochs"/,
  );
  assert.match(faults(text.replace('[4, 8]', '[4]'))[0], /^tiny.yaml:8: network UNet, channels must be /);
  assert.match(
    faults(text.replace(/ {2}network.*\n/, ''))[0],
    /train needs a network to begin with, or a model to go on from/,
  );
  assert.match(faults(`${text}sinks: [metricsCsv]`)[0], /a pipeline that trains has no sinks/);
  assert.match(
    faults(text.replace(/ {2}validation:[\s\S]*/, '  earlyStopping: { patience: 3 }\n'))[0],
    /earlyStopping needs a validation/,
  );
  assert.match(
    faults(text.replace('split: validation', 'splt: validation'))[0],
    /^tiny.yaml:14: source decathlon, splt is not an option/,
  );
});

test('a model to go on from needs no network', () => {
  const { train } = parsePipeline(text.replace(/ {2}network.*\n/, ''), 'tiny.yaml', {
    set: ['train.model=models/other'],
  });
  assert.equal([train?.model, train?.network], ['models/other', undefined]);
});

test('run refuses a pipeline that trains', async () => {
  const error = await runPipeline(parsePipeline(text, 'tiny.yaml')).catch((fault) => fault);
  assert.match(error.message, /tiny.yaml has a train block: run it with "voxstream train"/);
});

test("the bundle's training is that of its train.json", async () => {
  const { train, steps, runtime } = await loadPipeline(['pipelines/spleen-train.yaml']);
  assert.is(train?.epochs, 1260);
  assert.equal([train?.optimizer.name, train?.optimizer.options['learningRate']], ['novograd', 0.002]);
  assert.equal([train?.loss.options['lambdaDice'], train?.loss.options['includeBackground']], [0.5, false]);
  assert.is(steps.find(({ id }) => id === 'randCropByPosNegLabel')?.options['numSamples'], 4);
  assert.is(runtime.seed, 123);
  await loadPipeline(['pipelines/phantom-train.yaml']);
});

test.run();
