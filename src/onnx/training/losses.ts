import { z } from 'zod';
import { ModelError, show } from '../../errors.js';
import type { OptionValues } from '../../options.js';
import { weight } from '../../optionTypes.js';
import { type Ops, range } from '../ops.js';
import { floats } from '../tensor.js';
import { type AnyLoss, loss } from './loss.js';
import { Prediction } from './prediction.js';

/** The options that Dice losses share, MONAI's in camelCase. */
const diceOptions = {
  includeBackground: z.boolean().default(true).describe('Whether class 0 counts in the Dice part'),
  toOnehotY: z
    .boolean()
    .optional()
    .describe(
      'Whether the label holds class numbers rather than a mask per class. Default: true if the label has ' +
        'one channel and the model has several',
    ),
  sigmoid: z.boolean().default(false).describe("Apply a sigmoid to the model's output"),
  softmax: z.boolean().default(false).describe("Apply a softmax over the channels of the model's output"),
  squaredPred: z.boolean().default(false).describe('Square predictions and label in the denominator'),
  jaccard: z
    .boolean()
    .default(false)
    .describe('Use the Jaccard index (soft intersection over union) instead of Dice'),
  reduction: z
    .enum(['mean', 'sum'])
    .default('mean')
    .describe('How the losses of classes (and of images, unless batch is true) are combined'),
  smoothNr: weight.default(1e-5).describe('Added to the numerator'),
  smoothDr: weight.default(1e-5).describe('Added to the denominator'),
  batch: z
    .boolean()
    .default(false)
    .describe('Sum intersections and denominators over the whole batch before dividing'),
};

const checkActivation = ({ sigmoid, softmax }: { readonly sigmoid: boolean; readonly softmax: boolean }) =>
  sigmoid && softmax ? ['sigmoid and softmax are both true, but at most one of them must be'] : [];

/**
 * MONAI's `DiceLoss`: 1 - (2 sum(p y) + smoothNr) / (sum(p) + sum(y) + smoothDr) per class, averaged. If the
 * model has one channel, `softmax`, `toOnehotY` and `includeBackground: false` have no effect, as in MONAI.
 *
 * Source: Milletari et al., "V-Net", 2016; MONAI 1.3.2 `monai.losses.DiceLoss`, without `other_act` and
 * `reduction: none`. `toOnehotY` has a default that depends on the label; MONAI's is false.
 *
 * @throws OptionError when called with both `sigmoid` and `softmax`. ModelError, when built into a graph, if
 * the label's channels or the weights do not fit the model's output.
 */
export const diceLoss = loss({
  name: 'dice',
  summary: 'Dice loss: 1 minus the overlap of prediction and label, averaged over the classes.',
  mirrors: 'DiceLoss, without other_act and reduction none',
  options: {
    ...diceOptions,
    weight: z
      .union([weight, z.array(weight)])
      .optional()
      .describe('A weight for each class that counts, or one for all. Default: 1'),
  },
  check: checkActivation,
  example: { softmax: true, includeBackground: false },
  create: (options) => ({
    build: (ops, task) => dice(ops, new Prediction(ops, task, options), options),
  }),
});

/**
 * MONAI's `DiceCELoss`: `lambdaDice` times `diceLoss` plus `lambdaCe` times the cross entropy of the softmax
 * (of the sigmoid if the model has one channel).
 *
 * The cross entropy is PyTorch's. With class numbers it is a weighted mean, divided by the sum of the weights
 * of all voxels; with one mask per class it is divided by the number of voxels. With one channel, `weight`
 * multiplies the foreground only (PyTorch's `pos_weight`). With `reduction: sum` nothing is divided.
 *
 * Source: MONAI 1.3.2 `monai.losses.DiceCELoss`, without `other_act` and `reduction: none`.
 *
 * @throws as `diceLoss`.
 */
export const diceCELoss = loss({
  name: 'diceCE',
  summary: 'Dice loss plus cross entropy.',
  mirrors: 'DiceCELoss, without other_act and reduction none',
  options: {
    ...diceOptions,
    lambdaDice: weight.default(1).describe('Weight of the Dice part'),
    lambdaCe: weight.default(1).describe('Weight of the cross entropy'),
    weight: z
      .array(weight)
      .optional()
      .describe(
        'A weight for each class, in both parts; without the background, the Dice part skips the first ' +
          'one. Default: 1',
      ),
  },
  check: checkActivation,
  example: { softmax: true, squaredPred: true, batch: true },
  create: (options) => {
    const { weight, includeBackground, lambdaDice, lambdaCe } = options;
    const diceWeight = weight && !includeBackground ? weight.slice(1) : weight;
    return {
      build: (ops, task) => {
        const prediction = new Prediction(ops, task, options);
        const entropy = prediction.channels === 1 ? binaryEntropy : crossEntropy;
        return ops.add(
          ops.scale(dice(ops, prediction, { ...options, weight: diceWeight }), lambdaDice),
          ops.scale(entropy(ops, prediction, options), lambdaCe),
        );
      },
    };
  },
});

/**
 * MONAI's `DiceFocalLoss`: `lambdaDice` times `diceLoss` plus `lambdaFocal` times the focal loss. That is the
 * mean over classes and voxels of (1 - q)^gamma times -log q. q is the probability that the sigmoid of the
 * model's output gives to the label, also with `softmax`, which changes only the Dice part.
 *
 * Source: Lin et al., "Focal loss for dense object detection", 2017; MONAI 1.3.2
 * `monai.losses.DiceFocalLoss`, without `other_act` and `reduction: none`.
 *
 * @throws as `diceLoss`.
 */
export const diceFocalLoss = loss({
  name: 'diceFocal',
  summary: 'Dice loss plus focal loss, which gives less weight to voxels that are classified well.',
  mirrors: 'DiceFocalLoss, without other_act and reduction none',
  options: {
    ...diceOptions,
    gamma: weight.default(2).describe('The exponent of the focal loss: 0 gives the cross entropy'),
    lambdaDice: weight.default(1).describe('Weight of the Dice part'),
    lambdaFocal: weight.default(1).describe('Weight of the focal loss'),
    weight: z
      .array(weight)
      .optional()
      .describe('A weight for each class that counts, in both parts. Default: 1'),
  },
  check: checkActivation,
  example: { softmax: true, includeBackground: false },
  create: (options) => ({
    build: (ops, task) => {
      const prediction = new Prediction(ops, task, options);
      return ops.add(
        ops.scale(dice(ops, prediction, options), options.lambdaDice),
        ops.scale(focal(ops, prediction, options), options.lambdaFocal),
      );
    },
  }),
});

/** The losses that come with voxstream. */
export const losses: readonly AnyLoss[] = [diceCELoss, diceFocalLoss, diceLoss];

type DiceOptions = OptionValues<typeof diceOptions> & { readonly weight?: number | readonly number[] };
type EntropyOptions = Pick<DiceOptions, 'reduction'> & { readonly weight?: readonly number[] };

function dice(ops: Ops, prediction: Prediction, options: DiceOptions): string {
  const { channels, spatial, task } = prediction;
  const { includeBackground, squaredPred, jaccard, reduction, batch, weight } = options;
  const first = includeBackground || channels === 1 ? 0 : 1;
  const classes = channels - first;
  const axes = batch ? [0, ...spatial] : spatial;
  const masks = prediction.masks(first);
  const p = prediction.without(prediction.probabilities, first);
  const intersection = ops.sum(ops.mul(masks, p), axes, false);
  // A mask equals its square.
  const label = ops.sum(masks, axes, false);
  const predicted = squaredPred ? ops.reduce('ReduceSumSquare', p, axes, false) : ops.sum(p, axes, false);
  const total = ops.add(label, predicted);
  const denominator = jaccard ? ops.scale(ops.sub(total, intersection), 2) : total;
  const ratio = ops.div(
    ops.shift(ops.scale(intersection, 2), options.smoothNr),
    ops.shift(denominator, options.smoothDr),
  );
  let byClass = ops.sub(ops.scalar(1), ratio);
  if (weight !== undefined && classes !== 1) {
    const weights = typeof weight === 'number' ? Array<number>(classes).fill(weight) : weight;
    checkWeights(weights, classes);
    byClass = ops.mul(byClass, ops.graph.addConstant('weights', floats([classes], weights)));
  }
  const count = classes * (batch ? 1 : task.logitDims[0]);
  const sum = ops.sum(byClass, range(batch ? 1 : 2), false);
  return reduction === 'sum' ? sum : ops.scale(sum, 1 / count);
}

function checkWeights(weights: readonly number[], classes: number): void {
  if (weights.length === classes) return;
  throw new ModelError(
    `The loss has the weights ${show(weights)}, but it must have ${classes}: one for each class that counts.`,
  );
}

/** PyTorch's `CrossEntropyLoss` of class numbers, or of masks as probabilities. */
function crossEntropy(ops: Ops, prediction: Prediction, { weight, reduction }: EntropyOptions): string {
  const { channels, task, spatial } = prediction;
  const masks = prediction.masks(0);
  let hits = ops.mul(masks, prediction.logSoftmax);
  const all = range(task.logitDims.length);
  let count: string | undefined;
  if (weight) {
    checkWeights(weight, channels);
    const dims = [1, channels, ...spatial.map(() => 1)];
    const weights = ops.graph.addConstant('weights', floats(dims, weight));
    hits = ops.mul(hits, weights);
    if (prediction.classNumbers) count = ops.sum(ops.mul(masks, weights), all, false);
  }
  const sum = ops.neg(ops.sum(hits, all, false));
  if (reduction === 'sum') return sum;
  const voxels = task.logitDims.reduce((product, n) => product * n) / channels;
  return count ? ops.div(sum, count) : ops.scale(sum, 1 / voxels);
}

/** MONAI's `FocalLoss` with its sigmoid. The logarithms of q and 1 - q are -softplus(-z) and -softplus(z). */
function focal(
  ops: Ops,
  prediction: Prediction,
  {
    includeBackground,
    gamma,
    weight,
    reduction,
  }: EntropyOptions & Pick<DiceOptions, 'includeBackground'> & { readonly gamma: number },
): string {
  const { channels, task, spatial } = prediction;
  const first = includeBackground || channels === 1 ? 0 : 1;
  const classes = channels - first;
  const sign = ops.shift(ops.scale(prediction.masks(first), 2), -1);
  const z = ops.mul(prediction.without(task.logits, first), sign);
  const factor = ops.node('Exp', [ops.scale(ops.node('Softplus', [z]), -gamma)]);
  let losses = ops.mul(factor, ops.node('Softplus', [ops.neg(z)]));
  if (weight && classes > 1) {
    checkWeights(weight, classes);
    const dims = [1, classes, ...spatial.map(() => 1)];
    losses = ops.mul(losses, ops.graph.addConstant('weights', floats(dims, weight)));
  }
  const sum = ops.sum(losses, range(task.logitDims.length), false);
  if (reduction === 'sum') return sum;
  return ops.scale(sum, channels / classes / task.logitDims.reduce((product, n) => product * n));
}

/**
 * PyTorch's `BCEWithLogitsLoss`: -w y log(s(x)) - (1 - y) log(1 - s(x)). The logarithms are -softplus(-x) and
 * -softplus(x).
 */
function binaryEntropy(ops: Ops, prediction: Prediction, { weight, reduction }: EntropyOptions): string {
  const { task } = prediction;
  const foreground = ops.node('Softplus', [ops.neg(task.logits)]);
  const background = ops.node('Softplus', [task.logits]);
  if (weight) checkWeights(weight, 1);
  const condition = ops.cast(prediction.masks(0), 'bool');
  const entropies = ops.where(condition, ops.scale(foreground, weight?.[0] ?? 1), background);
  const sum = ops.sum(entropies, range(task.logitDims.length), false);
  if (reduction === 'sum') return sum;
  return ops.scale(sum, 1 / task.logitDims.reduce((product, n) => product * n));
}
