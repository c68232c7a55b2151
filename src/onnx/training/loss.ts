import type { Definition, OptionTypes } from '../../options.js';
import type { Ops } from '../ops.js';
import { type Factory, type FactorySpec, factory } from './factory.js';

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
  /** Adds the loss to a graph. Returns the name of the scalar. */
  readonly build: (ops: Ops, task: LossTask) => string;
}

/** A loss as a registry holds it, whatever its options are. */
export type AnyLoss = Definition<Loss>;

/** Defines a loss. */
export function loss<const T extends OptionTypes>(spec: FactorySpec<T, Loss>): Factory<T, Loss> {
  return factory(spec);
}
