import { isOp } from '../edit.js';
import { convTransposed } from '../gradients/conv.js';
import { slidingOf } from '../gradients/sliding.js';
import type { Graph } from '../graph.js';
import { Ops } from '../ops.js';
import type { Shapes } from '../shapes.js';

/**
 * Writes transposed convolutions as convolutions where possible; see `convTransposed`. ONNX Runtime's own are
 * slow, and its WebGPU provider has none in 3D. Apply it after differentiation: the gradient rule of
 * ConvTranspose is simpler. The graph is changed.
 */
export function lowerConvTranspose(graph: Graph, shapes: Shapes): void {
  const ops = new Ops(graph);
  const nodes = graph.nodes;
  graph.nodes = [];
  for (const node of nodes) {
    const [x, w, bias] = node.inputs;
    const [xDims, wDims, dims] = [x, w, node.outputs[0]].map((value) => shapes.get(value));
    if (!isOp(node, 'ConvTranspose') || !xDims || !wDims || !dims) {
      graph.nodes.push(node);
      continue;
    }
    convTransposed(ops, x, xDims, w, wDims, slidingOf(node, wDims.length - 2), dims, bias);
    graph.nodes[graph.nodes.length - 1].outputs = node.outputs;
  }
}
