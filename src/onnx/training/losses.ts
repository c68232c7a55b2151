import { ModelError, OptionError, show } from '../../errors.js';
import { type Ops, range } from '../ops.js';
import { floats, tensor } from '../tensor.js';

/** What a loss is computed from. */
export interface LossTask {
  /** The model's output [N, C, ...], float32. */
  readonly logits: string;
  readonly logitDims: readonly number[];
  /** [N, 1, ...] with class numbers, or [N, C, ...] with one mask per class; uint8. */
  readonly label: string;
  readonly labelDims: readonly number[];
}

/** A loss as a piece of an ONNX graph. */
export interface Loss {
  readonly name: string;
  /** Adds the loss to a graph; returns the name of the scalar. */
  readonly build: (ops: Ops, task: LossTask) => string;
}

/** MONAI's options of `DiceLoss`, in camelCase. */
export interface DiceLossOptions {
  /** Count class 0, too. Default: true. */
  readonly includeBackground?: boolean;
  /**
   * The label holds class numbers. Default: whether it has one channel and the model's output several (MONAI
   * wants it said).
   */
  readonly toOnehotY?: boolean;
  /** Apply a sigmoid to the model's output. Default: false. */
  readonly sigmoid?: boolean;
  /** Apply a softmax over the channels. Default: false. */
  readonly softmax?: boolean;
  /** Square predictions and label in the denominator. Default: false. */
  readonly squaredPred?: boolean;
  /** The Jaccard index (soft intersection over union) in place of Dice. Default: false. */
  readonly jaccard?: boolean;
  /** Over classes (and images, unless `batch`). Default: `mean`. */
  readonly reduction?: 'mean' | 'sum';
  /** Added to the numerator. Default: 1e-5. */
  readonly smoothNr?: number;
  /** Added to the denominator. Default: 1e-5. */
  readonly smoothDr?: number;
  /**
   * Sum intersections and denominators over the batch before they are divided. Default: false, image by
   * image.
   */
  readonly batch?: boolean;
  /** A weight for each class that counts, or one for all. Default: 1. */
  readonly weight?: number | readonly number[];
}

/** MONAI's options of `DiceCELoss`, in camelCase. */
export interface DiceCELossOptions extends DiceLossOptions {
  /**
   * A weight for each class, of Dice and of cross entropy; Dice leaves the first out where it leaves the
   * background out.
   */
  readonly weight?: readonly number[];
  /** Default: 1. */
  readonly lambdaDice?: number;
  /** Default: 1. */
  readonly lambdaCe?: number;
}

/**
 * MONAI's `DiceLoss`: 1 - (2 sum(p y) + smoothNr) / (sum(p) + sum(y) + smoothDr) per class, averaged. Where
 * the model gives one channel, `softmax`, `toOnehotY` and `includeBackground: false` do nothing, as in MONAI.
 *
 * Source: Milletari et al., "V-Net", 2016; MONAI 1.3.2 `monai.losses.DiceLoss`, without `other_act` and
 * `reduction: none`.
 *
 * @throws OptionError when built with both `sigmoid` and `softmax`. ModelError when the label's channels or
 * the weights do not fit the model's output.
 */
export function diceLoss(options: DiceLossOptions = {}): Loss {
  checkDice(options);
  return { name: 'diceLoss', build: (ops, task) => dice(ops, new Prediction(ops, task, options), options) };
}

/**
 * MONAI's `DiceCELoss`: `lambdaDice` times `diceLoss` plus `lambdaCe` times the cross entropy of the softmax
 * (of the sigmoid where the model gives one channel).
 *
 * The cross entropy is PyTorch's: with class numbers a weighted mean, divided by the sum of the weights of
 * all voxels; with one mask per class, divided by the number of voxels; for one channel `weight` multiplies
 * the foreground alone (its `pos_weight`). With `reduction: sum` nothing is divided.
 *
 * Source: MONAI 1.3.2 `monai.losses.DiceCELoss`, without `other_act` and `reduction: none`.
 *
 * @throws as `diceLoss`.
 */
export function diceCELoss(options: DiceCELossOptions = {}): Loss {
  checkDice(options);
  const { weight, includeBackground = true, lambdaDice = 1, lambdaCe = 1 } = options;
  const diceOptions = { ...options, weight: weight && !includeBackground ? weight.slice(1) : weight };
  return {
    name: 'diceCELoss',
    build: (ops, task) => {
      const prediction = new Prediction(ops, task, options);
      const entropy = prediction.channels === 1 ? binaryEntropy : crossEntropy;
      return ops.add(
        ops.scale(dice(ops, prediction, diceOptions), lambdaDice),
        ops.scale(entropy(ops, prediction, options), lambdaCe),
      );
    },
  };
}

function checkDice({ sigmoid, softmax }: DiceLossOptions): void {
  if (sigmoid && softmax) {
    throw new OptionError(
      'A Dice loss has sigmoid and softmax both true, but must have at most one of them.',
    );
  }
}

/** The model's output and the label in the forms that losses need, each computed once. */
class Prediction {
  readonly channels: number;
  /** Axes of voxels. */
  readonly spatial: readonly number[];
  /** The label holds class numbers, not a mask per class. */
  readonly classNumbers: boolean;
  #logSoftmax?: string;
  #probabilities?: string;
  readonly #masks = new Map<number, string>();

  constructor(
    readonly ops: Ops,
    readonly task: LossTask,
    readonly options: DiceLossOptions,
  ) {
    const { logitDims, labelDims } = task;
    this.channels = logitDims[1];
    this.spatial = range(logitDims.length).slice(2);
    const oneAndSeveral = labelDims[1] === 1 && this.channels > 1;
    this.classNumbers = this.channels > 1 && (options.toOnehotY ?? oneAndSeveral);
    const expected = this.classNumbers ? 1 : this.channels;
    if (labelDims[1] !== expected) {
      throw new ModelError(
        `The label has ${labelDims[1]} channel(s) and the model's output ${this.channels}; with toOnehotY ` +
          `${this.classNumbers} the label must have ${expected}.`,
      );
    }
  }

  /** The logarithm of the softmax over the channels. */
  get logSoftmax(): string {
    const { ops, task } = this;
    this.#logSoftmax ??= ops.sub(task.logits, ops.reduce('ReduceLogSumExp', task.logits, [1]));
    return this.#logSoftmax;
  }

  get probabilities(): string {
    const { ops, task, options } = this;
    if (options.sigmoid) this.#probabilities ??= ops.node('Sigmoid', [task.logits]);
    else if (options.softmax && this.channels > 1) this.#probabilities ??= ops.node('Exp', [this.logSoftmax]);
    return this.#probabilities ?? task.logits;
  }

  /**
   * 1 where a voxel is of a class and 0 elsewhere, [N, classes, ...], for the classes from `first` on.
   * Products with it are faster than `Where` with a condition.
   */
  masks(first: number): string {
    const known = this.#masks.get(first);
    if (known) return known;
    const { ops, task, channels } = this;
    let masks: string;
    if (this.classNumbers) {
      const numbers = Int32Array.from({ length: channels - first }, (_, i) => first + i);
      const dims = [1, channels - first, ...this.spatial.map(() => 1)];
      const classes = ops.graph.addConstant('classes', tensor('int32', dims, numbers));
      masks = ops.node('Equal', [ops.cast(task.label, 'int32'), classes]);
    } else {
      masks = ops.cast(this.without(task.label, first), 'bool');
    }
    const numeric = ops.cast(masks, 'float32');
    this.#masks.set(first, numeric);
    return numeric;
  }

  /** A value [N, C, ...] without the channels before `first`. */
  without(value: string, first: number): string {
    return first === 0 ? value : this.ops.slice(value, [1], [first], [this.channels]);
  }
}

function dice(ops: Ops, prediction: Prediction, options: DiceLossOptions): string {
  const { channels, spatial, task } = prediction;
  const { includeBackground = true, squaredPred, jaccard, reduction, batch, weight } = options;
  const first = includeBackground || channels === 1 ? 0 : 1;
  const classes = channels - first;
  const axes = batch ? [0, ...spatial] : spatial;
  const masks = prediction.masks(first);
  const p = prediction.without(prediction.probabilities, first);
  const intersection = ops.sum(ops.mul(masks, p), axes, false);
  // A mask is its own square.
  const label = ops.sum(masks, axes, false);
  const predicted = squaredPred ? ops.reduce('ReduceSumSquare', p, axes, false) : ops.sum(p, axes, false);
  const total = ops.add(label, predicted);
  const denominator = jaccard ? ops.scale(ops.sub(total, intersection), 2) : total;
  const ratio = ops.div(
    ops.shift(ops.scale(intersection, 2), options.smoothNr ?? 1e-5),
    ops.shift(denominator, options.smoothDr ?? 1e-5),
  );
  let losses = ops.sub(ops.scalar(1), ratio);
  if (weight !== undefined && classes !== 1) {
    const weights = typeof weight === 'number' ? Array<number>(classes).fill(weight) : weight;
    checkWeights(weights, classes);
    losses = ops.mul(losses, ops.graph.addConstant('weights', floats([classes], weights)));
  }
  const count = classes * (batch ? 1 : task.logitDims[0]);
  const sum = ops.sum(losses, range(batch ? 1 : 2), false);
  return reduction === 'sum' ? sum : ops.scale(sum, 1 / count);
}

function checkWeights(weights: readonly number[], classes: number): void {
  if (weights.length === classes && weights.every((weight) => weight >= 0)) return;
  throw new ModelError(
    `The loss has the weights ${show(weights)}, but must have ${classes}, one for each class that counts, none below 0.`,
  );
}

/** PyTorch's `CrossEntropyLoss` of class numbers, or of masks as probabilities. */
function crossEntropy(ops: Ops, prediction: Prediction, { weight, reduction }: DiceCELossOptions): string {
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

/**
 * PyTorch's `BCEWithLogitsLoss`: -w y log(s(x)) - (1 - y) log(1 - s(x)), whose logarithms are -softplus(-x)
 * and -softplus(x).
 */
function binaryEntropy(ops: Ops, prediction: Prediction, { weight, reduction }: DiceCELossOptions): string {
  const { task } = prediction;
  const foreground = ops.node('Softplus', [ops.neg(task.logits)]);
  const background = ops.node('Softplus', [task.logits]);
  if (weight) checkWeights(weight, 1);
  const condition = ops.cast(prediction.masks(0), 'bool');
  const losses = ops.where(condition, ops.scale(foreground, weight?.[0] ?? 1), background);
  const sum = ops.sum(losses, range(task.logitDims.length), false);
  if (reduction === 'sum') return sum;
  return ops.scale(sum, 1 / task.logitDims.reduce((product, n) => product * n));
}
