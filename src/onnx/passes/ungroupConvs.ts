import { constantInput, convConstants, intOf, isOp, rewriteNodes } from '../edit.js';
import type { Graph } from '../graph.js';
import { floats, numbersOf, sizeOf, type Tensor } from '../tensor.js';

/**
 * Makes convolutions of several groups, transposed ones too, convolutions of one group, whose weights between
 * groups are 0. It costs as many times the arithmetic as there are groups, for devices that have no 3D
 * convolution of groups. Needs constant float32 weights.
 */
export function ungroupConvs(graph: Graph): Graph {
  return rewriteNodes(graph, (node, copy) => {
    const groups = intOf(node, 'group', 1);
    const transposed = isOp(node, 'ConvTranspose');
    const constants = convConstants(graph, node, transposed ? 'ConvTranspose' : 'Conv');
    if (groups === 1 || !constants) return false;
    const weight = copy.addConstant(`${node.name}.dense`, dense(constants.weight, groups));
    const { group: _, ...attributes } = node.attributes;
    const bias = constantInput(graph, node, 2) ? [node.inputs[2]] : [];
    copy.addNode(node.op, [node.inputs[0], weight, ...bias], attributes, { outputs: node.outputs });
    return true;
  });
}

/**
 * [out, in / groups, ...] as [out, in, ...]; of a transposed convolution [in, out / groups, ...] as [in, out,
 * ...].
 */
function dense(weight: Tensor, groups: number): Tensor {
  const [first, second, ...kernel] = weight.dims;
  const size = sizeOf(kernel);
  const values = numbersOf(weight);
  const dims = [first, second * groups, ...kernel];
  const out = new Float32Array(sizeOf(dims));
  // Transposed or not, the first axis is cut into groups, and the second is that of one group.
  const perGroup = first / groups;
  for (let a = 0; a < first; a++) {
    const group = Math.floor(a / perGroup);
    for (let b = 0; b < second; b++) {
      const from = (a * second + b) * size;
      const to = (a * second * groups + group * second + b) * size;
      for (let k = 0; k < size; k++) out[to + k] = values[from + k];
    }
  }
  return floats(dims, out);
}
