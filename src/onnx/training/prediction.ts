import { ModelError } from '../../errors.js';
import { type Ops, range } from '../ops.js';
import { tensor } from '../tensor.js';
import type { LossTask } from './loss.js';

/** How the model's output and the label are read. */
export interface PredictionOptions {
  readonly sigmoid: boolean;
  readonly softmax: boolean;
  readonly toOnehotY?: boolean;
}

/** The model's output and the label in the forms that losses need. Each form is computed once. */
export class Prediction {
  readonly channels: number;
  /** The axes of voxels. */
  readonly spatial: readonly number[];
  /** The label holds class numbers, not a mask per class. */
  readonly classNumbers: boolean;
  #logSoftmax?: string;
  #probabilities?: string;
  readonly #masks = new Map<number, string>();

  constructor(
    readonly ops: Ops,
    readonly task: LossTask,
    readonly options: PredictionOptions,
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

  /** The output after the sigmoid or softmax, if there is one. */
  get probabilities(): string {
    const { ops, task, options } = this;
    if (options.sigmoid) this.#probabilities ??= ops.node('Sigmoid', [task.logits]);
    else if (options.softmax && this.channels > 1) this.#probabilities ??= ops.node('Exp', [this.logSoftmax]);
    return this.#probabilities ?? task.logits;
  }

  /**
   * Masks [N, classes, ...] of the classes from `first` on: 1 in voxels of the class, else 0. Multiplying by
   * them is faster than `Where` with a condition.
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
