import type { GraphNode } from '../graph.js';
import { type Ops, range } from '../ops.js';
import type { Tensor } from '../tensor.js';

export type Dims = readonly number[];

/** What a rule is given: a node, and what is known around it. */
export interface GradientTask {
  readonly ops: Ops;
  readonly node: GraphNode;
  /** Sizes of the node's inputs; undefined for one that is left out. */
  readonly inputDims: readonly (Dims | undefined)[];
  /** Sizes of the node's outputs. */
  readonly outputDims: readonly Dims[];
  /** The gradient that arrives at each output; undefined where none does. The first is `dy`. */
  readonly gradients: readonly (string | undefined)[];
  /** The gradient at the first output. */
  readonly dy: string;
  /** Whether an input leads to a value that a gradient is asked of. */
  readonly wanted: (input: number) => boolean;
  /** The constant that an input is, if it is one. */
  readonly constant: (input: number) => Tensor | undefined;
  /** Channels per block of the processor that will run the gradients; 1 for ONNX's own operators alone. */
  readonly block: number;
  /** The node that makes a value, if one does. */
  readonly producer: (value: string) => GraphNode | undefined;
}

/**
 * How gradients go back through an operator: adds nodes that compute the gradient of each input from that of the
 * outputs, and returns their names in the inputs' order. Undefined stands for an input without one (indices, shapes).
 * What nobody asked for may be returned, too: it is pruned.
 */
export type GradientRule = (task: GradientTask) => readonly (string | undefined)[];

/** The gradient of a value that was broadcast: summed over the axes along which it was repeated, in its own sizes. */
export function sumTo(ops: Ops, gradient: string, from: Dims, to: Dims): string {
  const lead = from.length - to.length;
  const axes = range(from.length).filter(
    (axis) => axis < lead || (to[axis - lead] === 1 && from[axis] !== 1),
  );
  const summed = axes.length > 0 ? ops.sum(gradient, axes) : gradient;
  return lead > 0 ? ops.reshape(summed, to) : summed;
}

/** An axis counted from the front. */
export function fromFront(axis: number, rank: number): number {
  return axis < 0 ? axis + rank : axis;
}
