import { ModelError } from '../../errors.js';
import type { GraphNode } from '../graph.js';
import { type Ops, range } from '../ops.js';
import type { Tensor } from '../tensor.js';

export type Dims = readonly number[];

/** The input of a rule: a node, and what is known about its inputs and outputs. */
export interface GradientTask {
  readonly ops: Ops;
  readonly node: GraphNode;
  /** Sizes of the node's inputs. Undefined for an omitted input. */
  readonly inputDims: readonly (Dims | undefined)[];
  /** Sizes of the node's outputs. */
  readonly outputDims: readonly Dims[];
  /** The gradient at each output. Undefined for an output without one. */
  readonly gradients: readonly (string | undefined)[];
  /** The gradient at the first output; zeros if there is none. */
  readonly dy: string;
  /** Whether the gradient of an input is needed. */
  readonly wanted: (input: number) => boolean;
  /** The value of an input, if it is a constant. */
  readonly constant: (input: number) => Tensor | undefined;
  /** See `GradientRequest`. */
  readonly keepConvs: boolean;
  /** The node that makes a value. Undefined for inputs and constants. */
  readonly producer: (value: string) => GraphNode | undefined;
}

/**
 * Takes gradients back through an operator: adds nodes that compute the gradient of each input from those of
 * the outputs, and returns their names in the order of the inputs. Undefined stands for an input without a
 * gradient (indices, shapes). A rule may return gradients that are not needed; they are pruned.
 */
export type GradientRule = (task: GradientTask) => readonly (string | undefined)[];

/**
 * The gradient of a value that was broadcast from size `to` to `from`: summed over the axes that were
 * repeated.
 */
export function sumTo(ops: Ops, gradient: string, from: Dims, to: Dims): string {
  const lead = from.length - to.length;
  const axes = range(from.length).filter(
    (axis) => axis < lead || (to[axis - lead] === 1 && from[axis] !== 1),
  );
  const summed = axes.length > 0 ? ops.sum(gradient, axes) : gradient;
  return lead > 0 ? ops.reshape(summed, to) : summed;
}

/** The error of a node that gradients cannot pass. `reason` is a clause: "its steps must be positive". */
export function untrainable(node: GraphNode, reason: string): ModelError {
  return new ModelError(`The node ${node.name} (${node.op}) cannot be trained through: ${reason}.`);
}

/** An axis counted from the front. */
export function fromFront(axis: number, rank: number): number {
  return axis < 0 ? axis + rank : axis;
}
