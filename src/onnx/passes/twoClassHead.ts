import { consumers, convConstants, producers, rewriteNodes } from '../edit.js';
import type { Graph } from '../graph.js';
import { floats, numbersOf } from '../tensor.js';

/** The metadata key that says what a model's output means when it is not the logits themselves. */
export const headKey = 'voxstream.head';
/** One channel d stands for the two logits (0, d). */
export const differenceHead = 'difference';

/**
 * Makes a head of two logits (a, b) one of their difference d = b - a: half the last convolution, half the
 * output, half the adding up of windows. Softmax and argmax of (0, d) are those of (a, b), before and after
 * windows are averaged; the logits themselves are gone, so that this is only for models whose output goes
 * into one of the two. The output has one channel, and the file's metadata says so: `voxstream.head =
 * difference`.
 *
 * Takes a model whose only output has two channels made by a convolution with constant float32 weights;
 * others stay.
 */
export function twoClassHead(graph: Graph): Graph {
  const [output, ...more] = graph.outputs;
  const constants = convConstants(graph, producers(graph).get(output?.name), 'Conv');
  if (more.length > 0 || consumers(graph).has(output.name)) return graph;
  if (constants?.weight.dims[0] !== 2) return graph;
  const { weight, bias } = constants;
  const source = weight.data as Float32Array;
  const half = source.length / 2;
  const difference = Float32Array.from({ length: half }, (_, i) => source[half + i] - source[i]);
  const rewritten = rewriteNodes(graph, (node, copy) => {
    if (node.outputs[0] !== output.name) return false;
    const inputs = [
      node.inputs[0],
      copy.addConstant(`${node.inputs[1]}.difference`, floats([1, ...weight.dims.slice(1)], difference)),
    ];
    if (bias) {
      const [a, b] = numbersOf(bias);
      inputs.push(copy.addConstant(`${node.inputs[2]}.difference`, floats([1], [b - a])));
    }
    copy.addNode('Conv', inputs, node.attributes, { name: node.name, outputs: node.outputs });
    return true;
  });
  rewritten.outputs = [{ ...output, dims: output.dims.map((size, axis) => (axis === 1 ? 1 : size)) }];
  rewritten.metadata[headKey] = differenceHead;
  return rewritten;
}
