import { isOp, rewriteNodes } from '../edit.js';
import type { Graph } from '../graph.js';

/**
 * Subtracts the mean before each instance normalization, which changes nothing but its precision.
 *
 * ONNX Runtime adds up the mean in float32, without pairs. Over a window of 96 x 96 x 96 voxels, its
 * error was up to 3e-4 of the standard deviation on a CPU, the same for all voxels of a channel; PyTorch
 * adds up in double precision. With values around zero, the error of the second mean is below 1e-6.
 */
export function centreNorms(graph: Graph): Graph {
  return rewriteNodes(graph, (node, copy) => {
    if (!isOp(node, 'InstanceNormalization')) return false;
    const [input, ...parameters] = node.inputs;
    const mean = copy.addNode('GlobalAveragePool', [input]);
    const centred = copy.addNode('Sub', [input, mean]);
    copy.addNode('InstanceNormalization', [centred, ...parameters], node.attributes, {
      name: node.name,
      outputs: node.outputs,
    });
    return true;
  });
}
