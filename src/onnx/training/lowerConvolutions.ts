import { isOp } from '../edit.js';
import { blockedGradientFits, blockedWeightGradient } from '../gradients/blockedWeightGradient.js';
import { convTransposed } from '../gradients/conv.js';
import { slidingOf } from '../gradients/sliding.js';
import { weightGradient } from '../gradients/weightGradient.js';
import {
  isWeightGradient,
  type WeightGradientTask,
  weightGradientOf,
} from '../gradients/weightGradientNode.js';
import type { Graph, GraphNode } from '../graph.js';
import { Ops } from '../ops.js';
import type { Shapes } from '../shapes.js';
import { nchwc } from '../slices/values.js';

/**
 * Writes transposed convolutions as convolutions where possible; see `convTransposed`. ONNX Runtime's own are
 * slow, and its WebGPU provider has none in 3D. Expresses gradients of weights. Apply it after
 * differentiation: the gradient rule of ConvTranspose is simpler. The graph is changed.
 *
 * @param block The `channelBlock` of the processor that will run the graph. Default: 1, any device.
 * @param applies Which nodes to write. Default: all.
 */
export function lowerConvolutions(
  graph: Graph,
  shapes: Shapes,
  block = 1,
  applies: (node: GraphNode) => boolean = () => true,
): void {
  const ops = new Ops(graph);
  const nodes = graph.nodes;
  graph.nodes = [];
  for (const node of nodes) {
    if (isWeightGradient(node) && applies(node)) {
      addGradient(ops, block, weightGradientOf(node));
      graph.nodes[graph.nodes.length - 1].outputs = node.outputs;
      continue;
    }
    const [x, w, bias] = node.inputs;
    const [xDims, wDims, dims] = [x, w, node.outputs[0]].map((value) => shapes.get(value));
    if (!isOp(node, 'ConvTranspose') || !applies(node) || !xDims || !wDims || !dims) {
      graph.nodes.push(node);
      continue;
    }
    convTransposed(ops, x, xDims, w, wDims, slidingOf(node, wDims.length - 2), dims, bias);
    graph.nodes[graph.nodes.length - 1].outputs = node.outputs;
  }
}

function addGradient(ops: Ops, block: number, task: WeightGradientTask): void {
  if (blockedGradientFits(block, task)) {
    ops.graph.domains[nchwc] = 1;
    blockedWeightGradient(ops, block, task);
    return;
  }
  const { x, xDims, dy, dyDims, weightDims, sliding } = task;
  weightGradient(ops, x, xDims, dy, dyDims, weightDims, sliding);
}
