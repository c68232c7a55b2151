import { constantInput, floatOf, isOp, onlyConsumer } from '../edit.js';
import type { Graph, GraphNode } from '../graph.js';
import type { Shapes } from '../shapes.js';
import { numbersOf } from '../tensor.js';

/** A normalization of [N, channels, ...] that one node or several compute. */
export interface FoundNorm {
  /** One per channel. */
  readonly scale: Float32Array;
  readonly bias: Float32Array;
  readonly epsilon: number;
  /** Channels that are normalized together; 1 for an instance normalization. */
  readonly together: number;
  /** The value that the last of the nodes makes. */
  readonly output: string;
}

/**
 * The normalization that begins with `node`, or undefined. An instance normalization is one node. A group
 * normalization is an instance normalization of the groups between two reshapes; a product with a factor per
 * channel, and a sum, may follow.
 */
export function findNorm(
  graph: Graph,
  uses: ReadonlyMap<string, readonly GraphNode[]>,
  node: GraphNode,
  shapes: Shapes,
): FoundNorm | undefined {
  if (isOp(node, 'InstanceNormalization')) {
    const parameters = parametersOf(graph, node);
    return parameters && { ...parameters, together: 1, output: node.outputs[0] };
  }
  return isOp(node, 'Reshape') ? findGroupNorm(graph, uses, node, shapes) : undefined;
}

function parametersOf(
  graph: Graph,
  node: GraphNode,
): Pick<FoundNorm, 'scale' | 'bias' | 'epsilon'> | undefined {
  const [scale, bias] = [1, 2].map((index) => constantInput(graph, node, index));
  if (scale?.type !== 'float32' || bias?.type !== 'float32') return undefined;
  return {
    scale: scale.data as Float32Array,
    bias: bias.data as Float32Array,
    epsilon: floatOf(node, 'epsilon', 1e-5),
  };
}

function findGroupNorm(
  graph: Graph,
  uses: ReadonlyMap<string, readonly GraphNode[]>,
  apart: GraphNode,
  shapes: Shapes,
): FoundNorm | undefined {
  const shape = constantInput(graph, apart, 1);
  const sizes = shape ? numbersOf(shape) : [];
  const next = (from: GraphNode) => onlyConsumer(graph, uses, from.outputs[0]);
  const normal = next(apart);
  if (sizes.length !== 3 || sizes[0] !== 0 || sizes[2] !== -1 || !isOp(normal, 'InstanceNormalization')) {
    return undefined;
  }
  const back = next(normal);
  const parameters = parametersOf(graph, normal);
  if (!parameters || !isOp(back, 'Reshape')) return undefined;
  const [before, after] = [apart.inputs[0], back.outputs[0]].map((value) => shapes.get(value)?.join());
  if (before === undefined || before !== after) return undefined;
  const factor = channelOperation(graph, next(back), back.outputs[0], 'Mul');
  const summand = factor && channelOperation(graph, next(factor.node), factor.node.outputs[0], 'Add');
  if (!summand || factor.values.length !== summand.values.length) return undefined;
  const channels = factor.values.length;
  const together = channels / sizes[1];
  const group = (values: Float32Array, channel: number) => values[Math.floor(channel / together)];
  return {
    scale: factor.values.map((x, i) => x * group(parameters.scale, i)),
    bias: summand.values.map((x, i) => x + factor.values[i] * group(parameters.bias, i)),
    epsilon: parameters.epsilon,
    together,
    output: summand.node.outputs[0],
  };
}

/** A product or sum of a value and a constant [channels, 1, 1, 1]. */
function channelOperation(
  graph: Graph,
  node: GraphNode | undefined,
  value: string,
  op: 'Mul' | 'Add',
): { node: GraphNode; values: Float32Array } | undefined {
  if (!isOp(node, op) || node.inputs[0] !== value) return undefined;
  const constant = constantInput(graph, node, 1);
  const fits =
    constant?.type === 'float32' &&
    constant.dims.length === 4 &&
    constant.dims.slice(1).every((n) => n === 1);
  return fits ? { node, values: constant.data as Float32Array } : undefined;
}
