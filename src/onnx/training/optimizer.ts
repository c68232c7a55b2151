import type { Definition, OptionTypes } from '../../options.js';
import type { Ops } from '../ops.js';
import { type Factory, type FactorySpec, factory } from './factory.js';

/** A tensor that an optimizer keeps for each weight tensor. Zeros at the start. */
export interface Slot {
  readonly name: string;
  /** One number per weight tensor instead of one per weight. Default: false. */
  readonly scalar?: boolean;
}

/** One weight tensor in a step: names of values. */
export interface WeightStep {
  readonly weight: string;
  readonly gradient: string;
  /** In the order of the optimizer's slots. */
  readonly slots: readonly string[];
}

/** Names of the values after a step. */
export interface UpdatedWeight {
  readonly weight: string;
  readonly slots: readonly string[];
}

/** An optimizer as a piece of an ONNX graph. */
export interface Optimizer {
  /** The learning rate before the schedule. */
  readonly learningRate: number;
  readonly slots: readonly Slot[];
  /**
   * Starts a step: adds the nodes that all weights share. Returns a function that updates one weight tensor.
   *
   * @param learningRate A scalar.
   * @param step The number of the step, from 1; a scalar.
   */
  readonly start: (
    ops: Ops,
    scalars: { readonly learningRate: string; readonly step: string },
  ) => (weight: WeightStep) => UpdatedWeight;
}

/** An optimizer as a registry holds it, whatever its options are. */
export type AnyOptimizer = Definition<Optimizer>;

/** Defines an optimizer. Its options must include `learningRate`, the value of the field of that name. */
export function optimizer<const T extends OptionTypes>(
  spec: FactorySpec<T, Optimizer>,
): Factory<T, Optimizer> {
  return factory(spec);
}
