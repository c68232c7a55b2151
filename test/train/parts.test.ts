import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { parsePipeline } from '#src/pipeline/load.js';
import type { TrainBlock } from '#src/pipeline/trainBlock.js';
import { learningRateOf, lossOf, optimizerOf } from '#src/train/parts.js';

const block = (optimizer: string, schedule?: string): TrainBlock =>
  parsePipeline(`
source: { decathlon: { root: data } }
steps: [load]
train:
  network: { UNet: { spatial_dims: 3, in_channels: 1, out_channels: 2, channels: [4, 8], strides: [2] } }
  loss: { diceCE: { softmax: true } }
  optimizer: { ${optimizer} }
  ${schedule ? `schedule: { ${schedule} }` : ''}
  epochs: 10
`).train as TrainBlock;

const near = (value: number, expected: number) => assert.ok(Math.abs(value - expected) < 1e-9, `${value}`);

test('losses and optimizers are those named', () => {
  assert.is(lossOf(block('adam: { learningRate: 0.1 }').loss).name, 'diceCELoss');
  for (const name of ['adam', 'adamw', 'novograd', 'sgd']) {
    assert.is(optimizerOf(block(`${name}: { learningRate: 0.1 }`).optimizer).name, name);
  }
  // MONAI's default of Novograd, not Adam's.
  assert.equal(block('novograd: { learningRate: 0.1 }').optimizer.options['betas'], [0.9, 0.98]);
});

test('schedules count epochs or steps, and take the whole training by default', () => {
  const rate = (schedule?: string, steps = 40) =>
    learningRateOf(block('adam: { learningRate: 0.1 }', schedule), steps);
  near(rate()(9, 39), 0.1);
  near(rate('step: { size: 4 }')(8, 0), 0.001);
  near(rate('step: { size: 4, gamma: 0.5, per: step }')(0, 9), 0.025);
  near(rate('poly: { power: 1 }')(5, 0), 0.05);
  near(rate('poly: { power: 1, per: step }')(0, 10), 0.075);
  near(rate('poly: { power: 1, total: 5 }')(4, 0), 0.02);
  near(rate('cosine: {}')(5, 0), 0.05);
  near(rate('cosine: { low: 0.02 }')(10, 0), 0.02);
  // After a warm-up over two epochs, eight are left.
  const warm = rate('poly: { power: 1, warmUp: 2, warmUpFrom: 0.5 }');
  near(warm(0, 0), 0.05);
  near(warm(1, 0), 0.075);
  near(warm(2, 0), 0.1);
  near(warm(6, 0), 0.05);
});

test.run();
