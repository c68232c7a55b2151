import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { newNetwork } from '#src/onnx/builders/buildNetwork.js';
import * as ort from '#src/onnx/ort.js';
import { floats, type Tensor } from '#src/onnx/tensor.js';
import { diceCELoss } from '#src/onnx/training/losses.js';
import { adam, sgd } from '#src/onnx/training/optimizers.js';
import { createTrainer, type Trainer, type TrainerOptions } from '#src/train/trainer.js';
import type { TrainingState } from '#src/train/trainingState.js';
import { Random } from '#src/volume/random.js';

const size = 8;
const network = (norm: string, more: object = {}) =>
  newNetwork(
    'UNet',
    { in_channels: 1, out_channels: 2, channels: [4, 8], strides: [2], num_res_units: 1, norm, ...more },
    5,
  );
const options = (norm: string, more: Partial<TrainerOptions> = {}): TrainerOptions => ({
  model: network(norm),
  axes: 'xyz',
  loss: diceCELoss({ softmax: true }),
  optimizer: sgd({ learningRate: 1 }),
  patch: [size, size, size],
  batchSize: 4,
  ...more,
});

/** Noise, and a ball in it as the label. */
function batch(count: number, seed = 1) {
  const random = new Random(seed);
  const image = Float32Array.from({ length: count * size ** 3 }, () => random.uniform());
  const label = Uint8Array.from(image, (value, i) => {
    const [x, y, z] = [i % size, Math.floor(i / size) % size, Math.floor(i / size ** 2) % size];
    return value > 0.2 && (x - 3) ** 2 + (y - 4) ** 2 + (z - 3) ** 2 < 8 ? 1 : 0;
  });
  return { image, label };
}

const part = ({ image, label }: ReturnType<typeof batch>, from: number, to: number) => ({
  image: image.slice(from * size ** 3, to * size ** 3),
  label: label.slice(from * size ** 3, to * size ** 3),
});

async function withTrainer<T>(given: TrainerOptions, work: (trainer: Trainer) => Promise<T>): Promise<T> {
  const trainer = await createTrainer(given);
  try {
    return await work(trainer);
  } finally {
    await trainer.close();
  }
}

const stateAfterOne = (given: TrainerOptions, data: ReturnType<typeof batch>) =>
  withTrainer(given, async (trainer) => {
    const result = await trainer.step(data, { learningRate: 1 });
    return { ...result, state: await trainer.state() };
  });

const values = (state: TrainingState, name: string) => (state.get(name) as Tensor).data as Float32Array;
const weights = (state: TrainingState) => [...state.keys()].filter((name) => !/running|optimizer/.test(name));

for (const [what, more] of [
  ['two workers with two images each', { device: 'cpu:2' }],
  ['two batches of two images', { accumulate: 2 }],
] as const) {
  test(`${what} take the step of one worker with four, with instance norms`, async () => {
    const one = await stateAfterOne(options('instance', { keepLogits: true }), batch(4));
    const two = await stateAfterOne(options('instance', { ...more, keepLogits: true }), batch(4));
    const [all = [], parts = []] = [one.logits, two.logits];
    assert.is(all.length, 4 * 2 * size ** 3);
    assert.ok(all.every((logit, i) => logit !== 0 && Math.abs(logit - parts[i]) < 1e-5));
    assert.ok(Math.abs(one.loss - two.loss) < 1e-6, `${one.loss} ${two.loss}`);
    assert.ok(Math.abs(one.gradNorm - two.gradNorm) < 1e-5 * one.gradNorm);
    // With plain descent at a rate of 1 a step is the gradient.
    for (const name of weights(one.state)) {
      const [a, b] = [values(one.state, name), values(two.state, name)];
      for (const [i, value] of a.entries()) {
        assert.ok(Math.abs(value - b[i]) <= 1e-5, `${name}: ${value} is not ${b[i]}`);
      }
    }
  });
}

test('the workers of cpu:2 normalize by their own batches, and the running statistics are those of the first', async () => {
  const all = batch(4);
  const both = await stateAfterOne(options('batch', { device: 'cpu:2' }), all);
  const [first, second] = await Promise.all(
    [part(all, 0, 2), part(all, 2, 4)].map((half) => stateAfterOne(options('batch', { batchSize: 2 }), half)),
  );
  const before = network('batch').initializers;
  for (const name of both.state.keys()) {
    const found = values(both.state, name);
    const [a, b] = [values(first.state, name), values(second.state, name)];
    for (const [i, value] of found.entries()) {
      const expected = /running/.test(name) ? a[i] : (a[i] + b[i]) / 2;
      assert.ok(Math.abs(value - expected) <= 1e-6, `${name}: ${value} is not ${expected}`);
    }
    // The halves do differ.
    if (/running_mean/.test(name)) assert.not.equal(a, b);
  }
  assert.ok(weights(both.state).every((name) => before.has(name)));
});

for (const device of ['cpu', 'cpu:2']) {
  test(`from a saved state training goes on to the bit (${device})`, async () => {
    const given = options('batch', { optimizer: adam({ learningRate: 1 }), device });
    const steps = (trainer: Trainer, from: number, to: number) =>
      Promise.all(
        Array.from({ length: to - from }, (_, i) => trainer.step(batch(4, from + i), { learningRate: 1e-2 })),
      );
    const through = await withTrainer(given, async (trainer) => {
      await steps(trainer, 0, 4);
      return trainer.state();
    });
    const half = await withTrainer(given, async (trainer) => {
      await steps(trainer, 0, 2);
      return trainer.state();
    });
    const resumed = await withTrainer(
      { ...given, model: network('batch', { bias: true }) },
      async (trainer) => {
        await trainer.restore(half);
        await steps(trainer, 2, 4);
        return trainer.state();
      },
    );
    assert.equal(new Map(resumed), new Map(through));
    assert.equal(values(resumed, 'optimizer.step'), Float32Array.of(4));
  });
}

test('the loss falls, and the model for inference is the trained one with running statistics', async () => {
  await withTrainer(options('batch', { optimizer: adam({ learningRate: 1 }) }), async (trainer) => {
    assert.is(trainer.axes, 'zyx');
    const losses: number[] = [];
    for (let step = 0; step < 50; step++)
      losses.push((await trainer.step(batch(4), { learningRate: 1e-2 })).loss);
    assert.ok(losses.at(-1)! < 0.5 * losses[0], losses.join(' '));
    const session = await ort.InferenceSession.create(await trainer.inferenceModel(), {
      logSeverityLevel: 3,
    });
    const { image, label } = batch(1);
    const result = await session.run({ input: new ort.Tensor('float32', image, [1, 1, size, size, size]) });
    const logits = result['output'].data as Float32Array;
    const right = label.reduce(
      (sum, value, i) => sum + Number(logits[size ** 3 + i] > logits[i] === (value === 1)),
      0,
    );
    assert.ok(right / label.length > 0.95, `${right} of ${label.length} voxels are right`);
  });
});

test('a batch or a state that does not fit is refused, and training can go on', async () => {
  await refused(
    createTrainer(options('batch', { device: 'cpu:3' })),
    /batch of 4 cannot be divided equally among 3 device/,
  );
  await refused(createTrainer(options('batch', { precision: 'float16' })), /CPUs compute in float32/);
  await withTrainer(options('batch', { optimizer: adam({ learningRate: 1 }) }), async (trainer) => {
    await refused(
      trainer.step(batch(3), { learningRate: 1 }),
      /image of a batch has 1536 values, but 4 patches of \[8, 8, 8\] voxels have 2048/,
    );
    const state = new Map(await trainer.state());
    state.delete('optimizer.step');
    await refused(trainer.restore(state), /does not fit.*: optimizer\.step is missing\./);
    const { loss } = await trainer.step(batch(4), { learningRate: 1e-3 });
    assert.ok(loss > 0);
    // A training that ran in float16 can go on in float32, which needs no scale of the loss.
    await trainer.restore(
      new Map([...(await trainer.state()), ['optimizer.lossScale', floats([2], [1024, 7])]]),
    );
  });
});

async function refused(work: Promise<unknown>, message: RegExp): Promise<void> {
  await work.then(
    () => assert.unreachable(`not refused: ${message}`),
    (error) => assert.match(error.message, message),
  );
}

test.run();
