import * as ort from 'onnxruntime-node';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Graph } from '#src/onnx/graph.js';
import { writeModel } from '#src/onnx/modelFile.js';
import { floats } from '#src/onnx/tensor.js';
import { diceCELoss } from '#src/onnx/training/losses.js';
import type { Optimizer } from '#src/onnx/training/optimizer.js';
import { adam, adamw, novograd, sgd } from '#src/onnx/training/optimizers.js';
import { type Clip, splitStepGraphs } from '#src/onnx/training/stepGraph.js';

const weights = [0.5, -0.3, 0.8, 0];
const gradients = [
  [0.1, -0.2, 0.3, 0],
  [-0.05, 0.4, 0.2, 1e-4],
  [0.3, 0.1, -0.6, -2e-4],
];

/**
 * Four weights and a bias of 2 after steps with these gradients, by the update graph of a convolution of one
 * voxel.
 */
async function after(
  optimizer: Optimizer,
  learningRate: number,
  steps: readonly (readonly number[])[],
  { bias = 0, clip }: { bias?: number; clip?: Clip } = {},
) {
  const model = new Graph();
  const x = model.addInput('x', 'float32', ['n', 1, 1, 1, 1]);
  const w = model.addInitializer('w', floats([4, 1, 1, 1, 1], weights));
  const y = model.addNode('Conv', [x, w, model.addInitializer('b', floats([4], [2, 0, 0, 0]))]);
  model.addOutput(y, 'float32', ['n', 4, 1, 1, 1]);
  const loss = diceCELoss({ softmax: true });
  const { update } = splitStepGraphs({ model, inputDims: [1, 1, 1, 1, 1], loss, optimizer, clip });
  const session = await ort.InferenceSession.create(writeModel(update.graph), { logSeverityLevel: 3 });
  const tensorOf = (data: ArrayLike<number>, dims: readonly number[]) =>
    new ort.Tensor('float32', Float32Array.from(data), dims);
  let state: Record<string, ort.Tensor> = Object.fromEntries(
    update.state.map(({ name, initial, dims }) => [name, tensorOf(initial.data as Float32Array, dims)]),
  );
  let norm = 0;
  for (const gradient of steps) {
    const result = await session.run({
      ...state,
      learningRate: tensorOf([learningRate], []),
      'w.gradient': tensorOf(gradient, [4, 1, 1, 1, 1]),
      'b.gradient': tensorOf([bias, 0, 0, 0], [4]),
    });
    state = Object.fromEntries(update.state.map(({ name, next }) => [name, result[next]]));
    norm = (result['gradNorm'].data as Float32Array)[0];
  }
  const numbers = (name: string) => [...(state[name].data as Float32Array)];
  return { weights: numbers('w'), bias: numbers('b')[0], step: numbers('optimizer.step')[0], norm };
}

function assertClose(found: readonly number[], expected: readonly number[]): void {
  for (const [i, value] of found.entries()) {
    assert.ok(Math.abs(value - expected[i]) <= 2e-7, `${found} is not ${expected}`);
  }
}

/** Three steps in float64 by PyTorch 1.13's optimizers; Novograd by MONAI 1.3.2's formula. */
const cases: [string, Optimizer, number, number[]][] = [
  ['adam', adam({ learningRate: 1 }), 0.01, [0.4806316257, -0.2978175475, 0.7819121278, -0.0042976979]],
  [
    'adam with its options',
    adam({ learningRate: 1, betas: [0.8, 0.95], eps: 1e-3, weightDecay: 0.1 }),
    0.01,
    [0.4756902966, -0.2969244653, 0.7808574555, 8.87601e-5],
  ],
  ['adamw', adamw({ learningRate: 1 }), 0.01, [0.4804839069, -0.2977291903, 0.781675122, -0.0042969539]],
  [
    'adamw with weight decay',
    adamw({ learningRate: 1, weightDecay: 0.2 }),
    0.01,
    [0.4776829084, -0.296053783, 0.7771810884, -0.0042828173],
  ],
  ['sgd', sgd({ learningRate: 1 }), 0.1, [0.465, -0.33, 0.81, 1e-5]],
  [
    'sgd with momentum and weight decay',
    sgd({ learningRate: 1, momentum: 0.9, weightDecay: 0.05 }),
    0.1,
    [0.4385996875, -0.3236004625, 0.71902515, 1.05e-6],
  ],
  [
    "sgd with Nesterov's momentum",
    sgd({ learningRate: 1, momentum: 0.9, nesterov: true }),
    0.1,
    [0.42216, -0.35862, 0.75663, 1.09e-5],
  ],
  ['novograd', novograd({ learningRate: 1 }), 0.01, [0.4874769162, -0.3083388953, 0.7837768256, 1.499e-7]],
  [
    'novograd with its options',
    novograd({ learningRate: 1, betas: [0.95, 0.9], eps: 1e-3, weightDecay: 0.1, gradAveraging: true }),
    0.01,
    [0.4992468773, -0.3002881612, 0.7988290662, -1.76e-8],
  ],
];
for (const [name, optimizer, learningRate, expected] of cases) {
  test(`${name} takes three steps as in Python`, async () => {
    const found = await after(optimizer, learningRate, gradients);
    assertClose(found.weights, expected);
    assert.is(found.step, 3);
  });
}

test('novograd with amsgrad divides by the largest norm so far', async () => {
  const options = { learningRate: 1, betas: [0.9, 0.3] } as const;
  const falling = [...gradients].reverse();
  const found = await after(novograd({ ...options, amsgrad: true }), 0.01, falling);
  assertClose(found.weights, [0.487939248688736, -0.312252425843105, 0.813948008240166, 5.19e-6]);
  const without = await after(novograd(options), 0.01, falling);
  assertClose(without.weights, [0.487464583651834, -0.313675703814469, 0.80975597041001, 4.399e-6]);
});

test('gradients are clipped by the norm of all together, as by clip_grad_norm_', async () => {
  const found = await after(sgd({ learningRate: 1 }), 1, gradients.slice(0, 1), {
    bias: -0.7,
    clip: { norm: 0.25 },
  });
  assertClose(found.weights, [0.4685030002650541, -0.23700600053010817, 0.7055090007951623, 0]);
  assertClose([found.bias, found.norm], [2.2204789981446216, 0.7937253933193772]);
  const small = await after(sgd({ learningRate: 1 }), 1, gradients.slice(0, 1), { clip: { norm: 10 } });
  assertClose(small.weights, [0.4, -0.1, 0.5, 0]);
});

test('gradients are clipped number by number', async () => {
  const found = await after(sgd({ learningRate: 1 }), 1, gradients.slice(0, 1), { clip: { value: 0.15 } });
  assertClose(found.weights, [0.4, -0.15, 0.65, 0]);
});

test('bias corrections stay exact over many steps', async () => {
  // With a constant gradient each of Adam's steps is the learning rate, whatever their number.
  const found = await after(adam({ learningRate: 1, eps: 0 }), 1e-3, Array(200).fill([1, -1, 0.5, 2]));
  for (const [i, sign] of [1, -1, 1, 1].entries()) {
    assert.ok(Math.abs(found.weights[i] - (weights[i] - 0.2 * sign)) < 5e-6, String(found.weights));
  }
});

test('numbers out of their range are refused', () => {
  assert.throws(
    () => adam({ learningRate: 1, betas: [0.9, 1] }),
    /adam: betas.1 must be less than 1, but it is 1/,
  );
  assert.throws(() => sgd({ learningRate: 1, nesterov: true }), /needs a momentum above 0/);
  assert.throws(
    () => novograd({ learningRate: 1, weightDecay: -1 }),
    /novograd: weightDecay must be at least 0, but it is -1/,
  );
});

test.run();
