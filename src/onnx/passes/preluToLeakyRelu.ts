import { constantInput, isOp, rewriteNodes } from '../edit.js';
import type { Graph } from '../graph.js';
import { numbersOf } from '../tensor.js';

/**
 * Makes a PRelu whose slopes are all one number a LeakyRelu, which ONNX Runtime fuses into the convolution
 * before it.
 */
export function preluToLeakyRelu(graph: Graph): Graph {
  return rewriteNodes(graph, (node, copy) => {
    const slope = isOp(node, 'PRelu') && constantInput(graph, node, 1);
    if (!slope) return false;
    const slopes = numbersOf(slope);
    if (slopes.length === 0 || slopes.some((value) => value !== slopes[0])) return false;
    copy.addNode(
      'LeakyRelu',
      node.inputs.slice(0, 1),
      { alpha: { float: slopes[0] } },
      { name: node.name, outputs: node.outputs },
    );
    return true;
  });
}
