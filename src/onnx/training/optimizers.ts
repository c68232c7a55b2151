import { OptionError, show } from '../../errors.js';
import type { Ops } from '../ops.js';

/** What an optimizer keeps for each weight from step to step; zeros at the start. */
export interface Slot {
  readonly name: string;
  /** One number per weight tensor, where it is not one per weight. */
  readonly scalar?: boolean;
}

/** One weight tensor in a step: names of values. */
export interface WeightStep {
  readonly weight: string;
  readonly gradient: string;
  /** In the order of the optimizer's slots. */
  readonly slots: readonly string[];
}

/** Values after a step. */
export interface UpdatedWeight {
  readonly weight: string;
  readonly slots: readonly string[];
}

/** An optimizer as a piece of an ONNX graph. */
export interface Optimizer {
  readonly name: string;
  readonly slots: readonly Slot[];
  /**
   * Begins a step: adds what all weights share, and returns what updates one weight tensor.
   *
   * @param learningRate A scalar.
   * @param step The number of the step from 1 on, a scalar.
   */
  readonly start: (
    ops: Ops,
    scalars: { readonly learningRate: string; readonly step: string },
  ) => (weight: WeightStep) => UpdatedWeight;
}

/** PyTorch's options of `Adam` and `AdamW`. */
export interface AdamOptions {
  /** How much of the averages of gradients and of their squares stays in a step. Default: 0.9 and 0.999. */
  readonly betas?: readonly [number, number];
  /** Added to the denominator. Default: 1e-8. */
  readonly eps?: number;
  /**
   * Default: 0 for `adam`, where it is added to the gradient; 0.01 for `adamw`, which shrinks the weights
   * themselves.
   */
  readonly weightDecay?: number;
}

/** Adam: Kingma and Ba, 2015; as PyTorch's `torch.optim.Adam`, without `amsgrad`. */
export function adam(options: AdamOptions = {}): Optimizer {
  const { betas = [0.9, 0.999], eps = 1e-8, weightDecay = 0 } = options;
  return adamLike('adam', { betas, eps }, weightDecay, (ops, _learningRate) => ({ weight, gradient }) => ({
    weight,
    gradient: decayed(ops, gradient, weight, weightDecay),
  }));
}

/** AdamW: Loshchilov and Hutter, 2019; as PyTorch's `torch.optim.AdamW`, without `amsgrad`. */
export function adamw(options: AdamOptions = {}): Optimizer {
  const { betas = [0.9, 0.999], eps = 1e-8, weightDecay = 0.01 } = options;
  return adamLike('adamw', { betas, eps }, weightDecay, (ops, learningRate) => {
    const kept = ops.sub(ops.scalar(1), ops.scale(learningRate, weightDecay));
    return ({ weight, gradient }) => ({ weight: weightDecay ? ops.mul(weight, kept) : weight, gradient });
  });
}

/** Adam's step after `prepare` has changed weight and gradient. */
function adamLike(
  name: string,
  { betas, eps }: Required<Pick<AdamOptions, 'betas' | 'eps'>>,
  weightDecay: number,
  prepare: (ops: Ops, learningRate: string) => (weight: WeightStep) => Omit<WeightStep, 'slots'>,
): Optimizer {
  checkNumbers(name, { betas, eps, weightDecay });
  const [beta1, beta2] = betas;
  return {
    name,
    slots: [{ name: 'expAvg' }, { name: 'expAvgSq' }],
    start: (ops, { learningRate, step }) => {
      // lr / c1 * m / (sqrt(v / c2) + eps), written with sqrt(c2) taken out of the tensors.
      const root = ops.sqrt(biasCorrection(ops, beta2, step));
      const rate = ops.div(ops.mul(learningRate, root), biasCorrection(ops, beta1, step));
      const offset = ops.scale(root, eps);
      const prepared = prepare(ops, learningRate);
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
 * 1 - beta^step without the cancellation that float32 suffers near 1: with u = tanh(y / 2) and y = -step
 * log(beta), it is 1 - exp(-y) = 2 u / (1 + u).
 */
function biasCorrection(ops: Ops, beta: number, step: string): string {
  if (beta === 0) return ops.scalar(1);
  const u = ops.node('Tanh', [ops.scale(step, -Math.log(beta) / 2)]);
  return ops.div(ops.scale(u, 2), ops.shift(u, 1));
}

/** MONAI's options of `Novograd`. */
export interface NovogradOptions {
  /** Default: 0.9 and 0.98. */
  readonly betas?: readonly [number, number];
  /** Default: 1e-8. */
  readonly eps?: number;
  /** Added to the normalized gradient, times the weight. Default: 0. */
  readonly weightDecay?: number;
  /** Multiply gradients by 1 - beta1, so that their average is one. Default: false. */
  readonly gradAveraging?: boolean;
}

/**
 * NovoGrad: gradients divided by a running norm of each whole tensor. Source: Ginsburg et al., "Stochastic
 * gradient methods with layer-wise adaptive moments", 2019; as MONAI 1.3.2's `Novograd`, without `amsgrad`.
 */
export function novograd(options: NovogradOptions = {}): Optimizer {
  const { betas = [0.9, 0.98], eps = 1e-8, weightDecay = 0, gradAveraging = false } = options;
  checkNumbers('novograd', { betas, eps, weightDecay });
  const [beta1, beta2] = betas;
  return {
    name: 'novograd',
    slots: [{ name: 'expAvg' }, { name: 'expAvgSq', scalar: true }],
    start:
      (ops, { learningRate }) =>
      ({ weight, gradient, slots: [average, square] }) => {
        const norm = ops.node('ReduceSumSquare', [gradient], { keepdims: 0 });
        const mixed = ops.add(ops.scale(square, beta2), ops.scale(norm, 1 - beta2));
        // The first norm counts in full.
        const nextSquare = ops.where(ops.greater(square, ops.scalar(0)), mixed, norm);
        let factor = ops.node('Reciprocal', [ops.shift(ops.sqrt(nextSquare), eps)]);
        let decay = weightDecay;
        if (gradAveraging) {
          factor = ops.scale(factor, 1 - beta1);
          decay *= 1 - beta1;
        }
        const normalized = decayed(ops, ops.mul(gradient, factor), weight, decay);
        const nextAverage = ops.add(ops.scale(average, beta1), normalized);
        return {
          weight: ops.sub(weight, ops.mul(nextAverage, learningRate)),
          slots: [nextAverage, nextSquare],
        };
      },
  };
}

/** PyTorch's options of `SGD`. */
export interface SgdOptions {
  /** Default: 0. */
  readonly momentum?: number;
  /** Needs a momentum. Default: false. */
  readonly nesterov?: boolean;
  /** Added to the gradient, times the weight. Default: 0. */
  readonly weightDecay?: number;
}

/** Stochastic gradient descent; as PyTorch's `torch.optim.SGD` without `dampening`. */
export function sgd(options: SgdOptions = {}): Optimizer {
  const { momentum = 0, nesterov = false, weightDecay = 0 } = options;
  checkNumbers('sgd', { momentum, weightDecay });
  if (nesterov && momentum === 0) {
    throw new OptionError('The optimizer sgd has nesterov true, which needs a momentum above 0.');
  }
  return {
    name: 'sgd',
    slots: momentum > 0 ? [{ name: 'momentum' }] : [],
    start:
      (ops, { learningRate }) =>
      ({ weight, gradient, slots: [velocity] }) => {
        const slope = decayed(ops, gradient, weight, weightDecay);
        if (momentum === 0) return { weight: ops.sub(weight, ops.mul(slope, learningRate)), slots: [] };
        const next = ops.add(ops.scale(velocity, momentum), slope);
        const change = nesterov ? ops.add(slope, ops.scale(next, momentum)) : next;
        return { weight: ops.sub(weight, ops.mul(change, learningRate)), slots: [next] };
      },
  };
}

function decayed(ops: Ops, gradient: string, weight: string, weightDecay: number): string {
  return weightDecay === 0 ? gradient : ops.add(gradient, ops.scale(weight, weightDecay));
}

/** Throws OptionError unless betas and the momentum are in [0, 1) and the rest is not negative. */
function checkNumbers(name: string, numbers: Readonly<Record<string, number | readonly number[]>>): void {
  for (const [key, value] of Object.entries(numbers)) {
    const below1 = key === 'betas' || key === 'momentum';
    const all = typeof value === 'number' ? [value] : value;
    if (all.every((n) => n >= 0 && (!below1 || n < 1))) continue;
    const wish = below1 ? 'from 0 up to but not including 1' : 'not negative';
    throw new OptionError(`The optimizer ${name} has ${key} ${show(value)}, but it must be ${wish}.`);
  }
}
