import { consumers, isOp } from '../edit.js';
import type { Graph, GraphNode } from '../graph.js';
import type { Tensor } from '../tensor.js';

/** Inputs that are weights wherever they are float32 constants, by operator. */
const always: Readonly<Record<string, readonly number[]>> = {
  Conv: [1, 2],
  ConvTranspose: [1, 2],
  MatMul: [0, 1],
  PRelu: [1],
};

/**
 * The constants of a graph that training changes: kernels and biases, slopes of PReLU, and scales and offsets
 * of normalizations. A normalization without parameters has scales of 1 and offsets of 0 as constants, too;
 * those are left alone unless their name is a parameter's (`….weight`, `….bias`). Of `Mul` and `Add`,
 * constants of that name count, and those that are one number per channel, as the affine part of a group
 * normalization is.
 */
export function trainableWeights(graph: Graph): string[] {
  const found = new Set<string>();
  for (const node of graph.nodes) {
    for (const [index, name] of node.inputs.entries()) {
      const value = graph.initializers.get(name);
      if (value?.type === 'float32' && isWeight(node, index, name, value)) found.add(name);
    }
  }
  return [...found];
}

function isWeight(node: GraphNode, index: number, name: string, value: Tensor): boolean {
  if (isOp(node, ...Object.keys(always))) return always[node.op].includes(index);
  const named = /\.(weight|bias)$/.test(name);
  if (isOp(node, 'BatchNormalization', 'InstanceNormalization') && (index === 1 || index === 2)) {
    const idle = index === 1 ? 1 : 0;
    return named || (value.data as Float32Array).some((n) => n !== idle);
  }
  if (!isOp(node, 'Mul', 'Add')) return false;
  const { dims } = value;
  const perChannel = dims.length >= 3 && dims[0] > 1 && dims.slice(1).every((n) => n === 1);
  return named || perChannel;
}

/**
 * Biases that have no influence, because what follows subtracts the mean of each channel: the output of their
 * convolution goes into a BatchNormalization (which in training takes the batch's statistics) or an
 * InstanceNormalization alone. Their gradient is zero; computed, it would be rounding errors, which Adam and
 * its like blow up to steps of full size.
 */
export function cancelledBiases(graph: Graph): Set<string> {
  const uses = consumers(graph);
  const found = new Set<string>();
  for (const node of graph.nodes) {
    if (!isOp(node, 'Conv', 'ConvTranspose') || !node.inputs[2]) continue;
    const next = uses.get(node.outputs[0]) ?? [];
    const normalized = next.length === 1 && isOp(next[0], 'BatchNormalization', 'InstanceNormalization');
    if (normalized && uses.get(node.inputs[2])?.length === 1) found.add(node.inputs[2]);
  }
  return found;
}
