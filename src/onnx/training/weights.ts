import { consumers, isOp } from '../edit.js';
import type { Graph, GraphNode } from '../graph.js';
import type { Tensor } from '../tensor.js';

/** Inputs, by operator, that are weights if they are float32 constants. */
const always: Readonly<Record<string, readonly number[]>> = {
  Conv: [1, 2],
  ConvTranspose: [1, 2],
  MatMul: [0, 1],
  PRelu: [1],
};

/**
 * The constants of a graph that training changes: kernels and biases, slopes of PReLU, and scales and offsets
 * of normalizations. Normalizations without parameters also have constants, scales of 1 and offsets of 0;
 * these are left alone unless they have a parameter's name (`….weight`, `….bias`). Constants of `Mul` and
 * `Add` are weights if they have such a name or one number per channel, like the affine part of a group
 * normalization.
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
 * Biases without any effect, because the next operator subtracts the mean of each channel: their convolution
 * feeds only a BatchNormalization (which uses the batch's statistics in training) or an
 * InstanceNormalization. Their gradient is zero. If it were computed, it would be rounding errors, which Adam
 * and similar optimizers scale up to full steps.
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
