import {
  consumers,
  convConstants,
  intOf,
  intsOf,
  isOp,
  onlyConsumer,
  producers,
  rewriteNodes,
} from '../edit.js';
import type { Graph, GraphNode } from '../graph.js';
import { floats, type Tensor } from '../tensor.js';

/**
 * Folds `Add(Conv(x), x)` into the convolution, where it keeps sizes and channels: the kernel's centre of
 * each channel grows by one. Needs constant float32 weights, one group, an odd kernel, and nobody else who
 * sees the convolution.
 */
export function foldResidual(graph: Graph): Graph {
  const made = producers(graph);
  const uses = consumers(graph);
  return rewriteNodes(graph, (node, copy) => {
    if (!isOp(node, 'Add')) return false;
    for (const [value, other] of [node.inputs, [...node.inputs].reverse()]) {
      const conv = made.get(value);
      const weight = convConstants(graph, conv, 'Conv')?.weight;
      if (!conv || !weight || conv.inputs[0] !== other || !onlyConsumer(graph, uses, value)) continue;
      if (!keepsPlaces(conv, weight) || weight.dims[0] !== weight.dims[1]) continue;
      const inputs = [...conv.inputs];
      inputs[1] = copy.addConstant(inputs[1], plusIdentity(weight));
      copy.addNode('Conv', inputs, conv.attributes, { name: conv.name, outputs: node.outputs });
      return true;
    }
    return false;
  });
}

/** Whether output voxel i of a convolution is centred on input voxel i, along all axes. */
export function keepsPlaces(node: GraphNode, weight: Tensor): boolean {
  const kernel = weight.dims.slice(2);
  const pads = intsOf(node, 'pads', Array<number>(2 * kernel.length).fill(0));
  return (
    intOf(node, 'group', 1) === 1 &&
    !node.attributes['auto_pad'] &&
    intsOf(node, 'strides', []).every((stride) => stride === 1) &&
    intsOf(node, 'dilations', []).every((dilation) => dilation === 1) &&
    kernel.every((k, i) => k % 2 === 1 && pads[i] === (k - 1) / 2 && pads[i + kernel.length] === (k - 1) / 2)
  );
}

function plusIdentity(weight: Tensor): Tensor {
  const data = Float32Array.from(weight.data as Float32Array);
  const [channels] = weight.dims;
  const volume = data.length / (channels * channels);
  for (let c = 0; c < channels; c++) data[(c * channels + c) * volume + (volume - 1) / 2] += 1;
  return floats(weight.dims, data);
}
