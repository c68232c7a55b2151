import { intsOf } from '../edit.js';
import type { GraphNode } from '../graph.js';
import type { Ops } from '../ops.js';
import { ownDomain } from '../passes/pixelShuffle.js';
import type { Dims } from './rule.js';
import { type Sliding, slidingOf } from './sliding.js';

/** A convolution's input `x` and the gradient `dy` at its output, both [N, C, ...]. */
export interface WeightGradientTask {
  readonly x: string;
  readonly xDims: Dims;
  readonly dy: string;
  readonly dyDims: Dims;
  readonly weightDims: Dims;
  readonly sliding: Sliding;
}

/**
 * Adds a `WeightGradient` of `x` and `dy`: the gradient of a convolution's weight. ONNX has no such operator:
 * `blockStep` and `lowerConvolutions` express it.
 */
export function addWeightGradient(ops: Ops, task: WeightGradientTask): string {
  const { x, xDims, dy, dyDims, weightDims, sliding } = task;
  const attributes = { ...sliding, xDims, dyDims, weightDims };
  return ops.graph.addNode('WeightGradient', [x, dy], attributes, { domain: ownDomain });
}

export function isWeightGradient(node: GraphNode): boolean {
  return node.op === 'WeightGradient' && node.domain === ownDomain;
}

/** What a `WeightGradient` computes. */
export function weightGradientOf(node: GraphNode): WeightGradientTask {
  const [x, dy] = node.inputs;
  const [xDims, dyDims, weightDims] = ['xDims', 'dyDims', 'weightDims'].map((name) => intsOf(node, name, []));
  return { x, xDims, dy, dyDims, weightDims, sliding: slidingOf(node, weightDims.length - 2) };
}
