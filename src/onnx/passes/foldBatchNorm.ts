import {
  constantInput,
  consumers,
  convConstants,
  floatOf,
  intOf,
  isOp,
  onlyConsumer,
  producers,
  rewriteNodes,
} from '../edit.js';
import type { Graph } from '../graph.js';
import { floats, numbersOf, type Tensor } from '../tensor.js';

/**
 * Folds batch normalization into the convolution (or transposed convolution) before it, where the weights are
 * float32 constants and nobody else sees the convolution's output: weights and bias are scaled by scale /
 * sqrt(variance + epsilon).
 */
export function foldBatchNorm(graph: Graph): Graph {
  const made = producers(graph);
  const uses = consumers(graph);
  return rewriteNodes(graph, (node, copy) => {
    if (!isOp(node, 'BatchNormalization') || intOf(node, 'training_mode', 0)) return false;
    const before = made.get(node.inputs[0]);
    const conv = convConstants(graph, before, 'Conv') ?? convConstants(graph, before, 'ConvTranspose');
    const constants = [1, 2, 3, 4].map((index) => constantInput(graph, node, index));
    if (!before || !conv || !onlyConsumer(graph, uses, node.inputs[0])) return false;
    if (constants.includes(undefined)) return false;
    const [scale, shift, mean, variance] = constants.map((constant) => numbersOf(constant as Tensor));
    const epsilon = floatOf(node, 'epsilon', 1e-5);
    const bias = conv.bias ? numbersOf(conv.bias) : mean.map(() => 0);
    const factors = scale.map((value, c) => value / Math.sqrt(variance[c] + epsilon));
    const folded = scaleOutputs(
      conv.weight,
      factors,
      before.op === 'ConvTranspose',
      intOf(before, 'group', 1),
    );
    const foldedBias = bias.map((value, c) => (value - mean[c]) * factors[c] + shift[c]);
    copy.addNode(
      before.op,
      [
        before.inputs[0],
        copy.addConstant(before.inputs[1], folded),
        copy.addConstant(`${before.name}.bias`, floats([foldedBias.length], foldedBias)),
      ],
      before.attributes,
      { name: before.name, outputs: node.outputs.slice(0, 1) },
    );
    return true;
  });
}

/**
 * Weights whose output channels are multiplied by a factor each. Transposed weights lie [in, out / group,
 * ...].
 */
function scaleOutputs(
  weight: Tensor,
  factors: readonly number[],
  transposed: boolean,
  groups: number,
): Tensor {
  const source = weight.data as Float32Array;
  const [first, second] = weight.dims;
  const taps = source.length / (first * second);
  const data = new Float32Array(source.length);
  for (let a = 0; a < first; a++) {
    for (let b = 0; b < second; b++) {
      const group = Math.floor((a * groups) / first);
      const factor = factors[transposed ? group * second + b : a];
      const start = (a * second + b) * taps;
      for (let i = start; i < start + taps; i++) data[i] = source[i] * factor;
    }
  }
  return floats(weight.dims, data);
}
