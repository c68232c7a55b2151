import { type ConvConstants, convConstants, intOf, rewriteNodes } from '../edit.js';
import type { Graph, GraphNode } from '../graph.js';
import { floats, int64s, type Tensor } from '../tensor.js';

/**
 * Makes convolutions that read the same input with the same kernel size, strides, pads and dilations one
 * convolution, whose output is split along the channels: the input is read once, and few output channels use
 * the processor better together. Needs constant float32 weights and one group.
 */
export function mergeConvs(graph: Graph): Graph {
  const families = new Map<string, GraphNode[]>();
  for (const node of graph.nodes) {
    const constants = convConstants(graph, node, 'Conv');
    if (!constants || intOf(node, 'group', 1) !== 1) continue;
    const attributes = Object.entries(node.attributes).sort(([a], [b]) => (a < b ? -1 : 1));
    const key = JSON.stringify([node.inputs[0], constants.weight.dims.slice(1), attributes]);
    families.set(key, [...(families.get(key) ?? []), node]);
  }
  const familyOf = new Map<string, GraphNode[]>();
  for (const family of families.values()) {
    if (family.length > 1) for (const node of family) familyOf.set(node.outputs[0], family);
  }
  return rewriteNodes(graph, (node, copy) => {
    const family = familyOf.get(node.outputs[0]);
    if (!family) return false;
    // The first of the family stands for all: what the others need is there already.
    if (node.outputs[0] !== family[0].outputs[0]) return true;
    const constants = family.map((one) => convConstants(graph, one, 'Conv') as ConvConstants);
    const weights = constants.map(({ weight }) => weight);
    const sizes = weights.map(({ dims }) => dims[0]);
    const biases = constants.map(({ bias }, i) => bias ?? floats([sizes[i]], new Float32Array(sizes[i])));
    const all = sizes.reduce((sum, size) => sum + size);
    const merged = copy.addNode(
      'Conv',
      [
        node.inputs[0],
        copy.addConstant(`${node.name}.weight`, floats([all, ...weights[0].dims.slice(1)], join(weights))),
        copy.addConstant(`${node.name}.bias`, floats([all], join(biases))),
      ],
      node.attributes,
    );
    const outputs = family.map((one) => one.outputs[0]);
    if (copy.opset >= 13) {
      copy.addNode('Split', [merged, copy.addConstant('sizes', int64s(sizes))], { axis: 1 }, { outputs });
    } else copy.addNode('Split', [merged], { axis: 1, split: sizes }, { outputs });
    return true;
  });
}

function join(tensors: readonly Tensor[]): Float32Array {
  const out = new Float32Array(tensors.reduce((sum, { data }) => sum + data.length, 0));
  let at = 0;
  for (const { data } of tensors) {
    out.set(data as Float32Array, at);
    at += data.length;
  }
  return out;
}
