import { isOp, rewriteNodes } from '../edit.js';
import type { Graph } from '../graph.js';
import { inferShapes } from '../shapes.js';

/** Operators that leave a constant's values as they are, in their order. */
const movers = ['Identity', 'Unsqueeze', 'Squeeze', 'Reshape', 'Flatten'];

/**
 * Makes `Constant` nodes, and constants of another shape, constants of the graph, as which other passes look
 * for weights, slopes and sizes. PyTorch's exporter writes such nodes, in training mode or without constant
 * folding also around slopes.
 */
export function foldConstants(graph: Graph): Graph {
  const shapes = inferShapes(graph, {});
  return rewriteNodes(graph, (node, copy) => {
    const [output] = node.outputs;
    if (graph.outputs.some(({ name }) => name === output)) return false;
    if (isOp(node, 'Constant')) {
      const value = node.attributes['value'];
      if (typeof value !== 'object' || !('tensor' in value)) return false;
      copy.initializers.set(output, value.tensor);
      return true;
    }
    const from = copy.initializers.get(node.inputs[0]);
    const dims = shapes.get(output);
    if (!isOp(node, ...movers) || !from || !dims) return false;
    copy.initializers.set(output, { ...from, dims });
    return true;
  });
}
