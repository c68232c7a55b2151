import { z } from 'zod';
import type { OptionValues } from '../../options.js';
import { orMeant, shareBelowOne } from '../../optionTypes.js';
import type { Ops } from '../ops.js';
import { type AnyOptimizer, type Optimizer, optimizer, type WeightStep } from './optimizer.js';

const notNegative = z.number().min(0).max(1000);
const learningRate = z
  .number()
  .positive()
  .max(
    1000,
    orMeant((given) => `1e-${Math.round(Math.log10(given))}`),
  )
  .describe('The learning rate before the schedule');
const eps = notNegative.default(1e-8).describe('Added to the denominator');
const averages = (second: number) =>
  z
    .tuple([shareBelowOne, shareBelowOne])
    .default([0.9, second])
    .describe('How much of the running averages of gradients and of squared gradients each step keeps');
const gradientDecay = notNegative.default(0).describe('Weight decay, added to the gradient');

const adamOptions = { learningRate, betas: averages(0.999), eps };
type AdamOptions = OptionValues<typeof adamOptions>;

/** Adam: Kingma and Ba, 2015; PyTorch's `torch.optim.Adam`, without `amsgrad`. */
export const adam = optimizer({
  name: 'adam',
  summary: "Adam (Kingma and Ba, 2015): PyTorch's Adam, without amsgrad.",
  options: { ...adamOptions, weightDecay: gradientDecay },
  example: { learningRate: 0.0001 },
  create: ({ weightDecay, ...options }) =>
    adamLike(options, (ops) => ({ weight, gradient }) => ({
      weight,
      gradient: decayed(ops, gradient, weight, weightDecay),
    })),
});

/** AdamW: Loshchilov and Hutter, 2019; PyTorch's `torch.optim.AdamW`, without `amsgrad`. */
export const adamw = optimizer({
  name: 'adamw',
  summary: "AdamW (Loshchilov and Hutter, 2019): PyTorch's AdamW, without amsgrad.",
  options: {
    ...adamOptions,
    weightDecay: notNegative
      .default(0.01)
      .describe('Weight decay: each step shrinks the weights by this times the learning rate'),
  },
  example: { learningRate: 0.0001 },
  create: ({ weightDecay, ...options }) =>
    adamLike(options, (ops, rate) => {
      const kept = ops.sub(ops.scalar(1), ops.scale(rate, weightDecay));
      return ({ weight, gradient }) => ({ weight: weightDecay ? ops.mul(weight, kept) : weight, gradient });
    }),
});

/** Adam's step, after `prepare` has changed weight and gradient. */
function adamLike(
  { learningRate, betas, eps }: AdamOptions,
  prepare: (ops: Ops, rate: string) => (weight: WeightStep) => Omit<WeightStep, 'slots'>,
): Optimizer {
  const [beta1, beta2] = betas;
  return {
    learningRate,
    slots: [{ name: 'expAvg' }, { name: 'expAvgSq' }],
    start: (ops, scalars) => {
      // lr / c1 * m / (sqrt(v / c2) + eps), with sqrt(c2) moved from the tensors to the scalars.
      const root = ops.sqrt(biasCorrection(ops, beta2, scalars.step));
      const rate = ops.div(ops.mul(scalars.learningRate, root), biasCorrection(ops, beta1, scalars.step));
      const offset = ops.scale(root, eps);
      const prepared = prepare(ops, scalars.learningRate);
      return (task) => {
        const { weight, gradient } = prepared(task);
        const [average, square] = task.slots;
        const nextAverage = ops.add(ops.scale(average, beta1), ops.scale(gradient, 1 - beta1));
        const nextSquare = ops.add(ops.scale(square, beta2), ops.scale(ops.square(gradient), 1 - beta2));
        const change = ops.div(nextAverage, ops.add(ops.sqrt(nextSquare), offset));
        return { weight: ops.sub(weight, ops.mul(change, rate)), slots: [nextAverage, nextSquare] };
      };
    },
  };
}

/**
 * 1 - beta^step, without the cancellation that float32 suffers near 1: with u = tanh(y / 2) and y = -step
 * log(beta), it is 1 - exp(-y) = 2 u / (1 + u).
 */
function biasCorrection(ops: Ops, beta: number, step: string): string {
  if (beta === 0) return ops.scalar(1);
  const u = ops.node('Tanh', [ops.scale(step, -Math.log(beta) / 2)]);
  return ops.div(ops.scale(u, 2), ops.shift(u, 1));
}

/**
 * NovoGrad: gradients divided by a running norm of the whole tensor. Source: Ginsburg et al., "Stochastic
 * gradient methods with layer-wise adaptive moments", 2019; MONAI 1.3.2's `Novograd`.
 */
export const novograd = optimizer({
  name: 'novograd',
  summary: 'NovoGrad (Ginsburg et al., 2019): gradients divided by a running norm of the whole tensor.',
  mirrors: 'Novograd',
  options: {
    learningRate,
    betas: averages(0.98),
    eps,
    weightDecay: notNegative.default(0).describe('Weight decay, added to the normalized gradient'),
    gradAveraging: z.boolean().default(false).describe('Multiply gradients by 1 - beta1'),
    amsgrad: z
      .boolean()
      .default(false)
      .describe('Divide by the largest running norm so far (Reddi et al., 2018)'),
  },
  example: { learningRate: 0.002 },
  create: ({ learningRate, betas: [beta1, beta2], eps, weightDecay, gradAveraging, amsgrad }): Optimizer => ({
    learningRate,
    slots: [
      { name: 'expAvg' },
      { name: 'expAvgSq', scalar: true },
      ...(amsgrad ? [{ name: 'maxExpAvgSq', scalar: true }] : []),
    ],
    start:
      (ops, scalars) =>
      ({ weight, gradient, slots: [average, square, largest] }) => {
        const norm = ops.node('ReduceSumSquare', [gradient], { keepdims: 0 });
        const mixed = ops.add(ops.scale(square, beta2), ops.scale(norm, 1 - beta2));
        // The first norm counts in full.
        const nextSquare = ops.where(ops.greater(square, ops.scalar(0)), mixed, norm);
        const nextLargest = amsgrad ? [ops.node('Max', [largest, nextSquare])] : [];
        const [divisor = nextSquare] = nextLargest;
        let factor = ops.node('Reciprocal', [ops.shift(ops.sqrt(divisor), eps)]);
        let decay = weightDecay;
        if (gradAveraging) {
          factor = ops.scale(factor, 1 - beta1);
          decay *= 1 - beta1;
        }
        const normalized = decayed(ops, ops.mul(gradient, factor), weight, decay);
        const nextAverage = ops.add(ops.scale(average, beta1), normalized);
        return {
          weight: ops.sub(weight, ops.mul(nextAverage, scalars.learningRate)),
          slots: [nextAverage, nextSquare, ...nextLargest],
        };
      },
  }),
});

/** Stochastic gradient descent; PyTorch's `torch.optim.SGD`, without `dampening`. */
export const sgd = optimizer({
  name: 'sgd',
  summary: "Stochastic gradient descent: PyTorch's SGD, without dampening.",
  options: {
    learningRate,
    momentum: shareBelowOne.default(0).describe('How much of the last change each step keeps'),
    nesterov: z.boolean().default(false).describe("Nesterov's momentum; needs a momentum above 0"),
    weightDecay: gradientDecay,
  },
  check: ({ momentum, nesterov }) =>
    nesterov && momentum === 0 ? ['nesterov is true, but it needs a momentum above 0'] : [],
  example: { learningRate: 0.01, momentum: 0.99, nesterov: true },
  create: ({ learningRate, momentum, nesterov, weightDecay }): Optimizer => ({
    learningRate,
    slots: momentum > 0 ? [{ name: 'momentum' }] : [],
    start:
      (ops, scalars) =>
      ({ weight, gradient, slots: [velocity] }) => {
        const slope = decayed(ops, gradient, weight, weightDecay);
        if (momentum === 0) {
          return { weight: ops.sub(weight, ops.mul(slope, scalars.learningRate)), slots: [] };
        }
        const next = ops.add(ops.scale(velocity, momentum), slope);
        const change = nesterov ? ops.add(slope, ops.scale(next, momentum)) : next;
        return { weight: ops.sub(weight, ops.mul(change, scalars.learningRate)), slots: [next] };
      },
  }),
});

/** The optimizers that come with voxstream. */
export const optimizers: readonly AnyOptimizer[] = [adam, adamw, novograd, sgd];

function decayed(ops: Ops, gradient: string, weight: string, weightDecay: number): string {
  return weightDecay === 0 ? gradient : ops.add(gradient, ops.scale(weight, weightDecay));
}
