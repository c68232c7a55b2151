import { intsOf, rewriteNodes } from '../edit.js';
import type { Graph, GraphNode } from '../graph.js';
import { Ops } from '../ops.js';

/** The oldest version of ONNX's operators that can be raised, and the newest to raise to. */
const oldest = 13;
const newest = 24;

/** Operators that mean the same in all these versions. */
const unchanged = new Set(
  (
    'Abs Add And Cast Clip Concat Constant ConstantOfShape Conv ConvTranspose Cos DepthToSpace Div Elu Equal Erf Exp ' +
    'Expand Flatten Floor Gather Gemm GlobalAveragePool Greater HardSigmoid Identity InstanceNormalization ' +
    'LayerNormalization LeakyRelu Less Log MatMul Max MaxPool Min Mul Neg Not Or PRelu Pad Pow Range Reciprocal ' +
    'ReduceSum Relu Reshape Resize Shape Sigmoid Sin Slice Softmax Softplus Sqrt Squeeze Sub Sum Tanh Tile Transpose ' +
    'Unsqueeze Where'
  ).split(' '),
);

/** Reductions whose axes became an input. */
const reductions = ['ReduceMean', 'ReduceMax', 'ReduceMin', 'ReduceL2', 'ReduceSumSquare'];

/**
 * A graph of a newer version of ONNX's operators, or the graph itself where it has operators that may mean
 * something else there.
 */
export function raiseOpset(graph: Graph, opset = newest): Graph {
  if (graph.opset >= opset) return graph;
  const known = (node: GraphNode) =>
    node.domain !== '' ||
    unchanged.has(node.op) ||
    reductions.includes(node.op) ||
    (node.op === 'Split' && node.inputs.length > 1);
  const captures = graph.nodes.some((node) => node.captures.length > 0);
  if (graph.opset < oldest || captures || graph.functions.length > 0 || !graph.nodes.every(known))
    return graph;
  const raised = graph.clone();
  raised.opset = opset;
  if (graph.opset >= 18) return raised;
  return rewriteNodes(raised, (node, copy) => {
    if (!reductions.includes(node.op) || !('axes' in node.attributes)) return false;
    const { axes: _, ...attributes } = node.attributes;
    const axes = new Ops(copy).ints(intsOf(node, 'axes', []));
    copy.addNode(node.op, [node.inputs[0], axes], attributes, { name: node.name, outputs: node.outputs });
    return true;
  });
}
