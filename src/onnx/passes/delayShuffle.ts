import { convConstants, intsOf, isOp, rewriteNodes } from '../edit.js';
import type { Graph, GraphNode } from '../graph.js';
import { floats, grid, numbersOf, type Tensor } from '../tensor.js';
import { keepsPlaces } from './foldResidual.js';
import { addPixelShuffle, isPixelShuffle } from './pixelShuffle.js';

/** Operators that treat every voxel of every channel alike. */
const elementwise = ['Relu', 'LeakyRelu', 'Elu', 'Sigmoid', 'Tanh', 'Identity'];

/**
 * Moves pixel shuffles behind what follows them, so that small convolutions at full resolution stay in the
 * phase domain: elementwise operators as they are, sums of two shuffled values, and convolutions of stride 1
 * with few channels (their kernels become those of all phases, most of them zero, which pays where the
 * channels alone would not fill the processor's vectors).
 *
 * @param mostProducts Convolutions with more input times output channels than this stay behind the shuffle.
 */
export function delayShuffle(graph: Graph, mostProducts = 8): Graph {
  const shuffled: Shuffled = new Map();
  return rewriteNodes(graph, (node, copy) => {
    if (isPixelShuffle(node)) {
      shuffled.set(node.outputs[0], { phases: node.inputs[0], factors: intsOf(node, 'factors', []) });
      return false;
    }
    const before = shuffled.get(node.inputs[0]);
    const form = before && phaseForm(graph, copy, node, shuffled, mostProducts);
    if (!form) return false;
    const phases = copy.addNode(node.op, form.inputs, form.attributes, {
      outputs: [copy.freeName(`${node.outputs[0]}.phases`)],
    });
    addPixelShuffle(copy, phases, before.factors, node.outputs[0]);
    shuffled.set(node.outputs[0], { phases, factors: before.factors });
    return true;
  });
}

/** Values that are a shuffle of another value: that value, and the factors. */
type Shuffled = Map<string, { readonly phases: string; readonly factors: readonly number[] }>;

/** Inputs and attributes of a node that does the same to phases, or undefined when there is none. */
function phaseForm(
  graph: Graph,
  copy: Graph,
  node: GraphNode,
  shuffled: Shuffled,
  mostProducts: number,
): Pick<GraphNode, 'inputs' | 'attributes'> | undefined {
  const before = shuffled.get(node.inputs[0])!;
  if (isOp(node, ...elementwise)) return { inputs: [before.phases], attributes: node.attributes };
  if (isOp(node, 'Add')) {
    const other = shuffled.get(node.inputs[1]);
    const alike = other && other.factors.join() === before.factors.join();
    return alike ? { inputs: [before.phases, other.phases], attributes: {} } : undefined;
  }
  const constants = convConstants(graph, node, 'Conv');
  if (!constants || !keepsPlaces(node, constants.weight)) return undefined;
  const { weight, bias } = constants;
  if (weight.dims[0] * weight.dims[1] > mostProducts) return undefined;
  const inputs = [
    before.phases,
    copy.addConstant(`${node.inputs[1]}.phases`, phaseKernel(weight, before.factors)),
  ];
  if (bias) {
    const count = before.factors.reduce((product, factor) => product * factor, 1);
    const values = Array.from({ length: count }, () => numbersOf(bias)).flat();
    inputs.push(copy.addConstant(`${node.inputs[2]}.phases`, floats([values.length], values)));
  }
  const reaches = phaseReach(weight, before.factors);
  const kernel = reaches.map((reach) => 2 * reach + 1);
  return { inputs, attributes: { kernel_shape: kernel, pads: [...reaches, ...reaches] } };
}

/** How many phase voxels to each side the kernel of each axis reaches. */
function phaseReach(weight: Tensor, factors: readonly number[]): number[] {
  return factors.map((factor, axis) => Math.ceil((weight.dims[axis + 2] - 1) / 2 / factor));
}

/**
 * The kernel over phases: tap t of output phase r reads the voxel r + t of the fine grid, which is phase
 * (r + t) mod factor of the coarse voxel floor((r + t) / factor) away.
 */
function phaseKernel(weight: Tensor, factors: readonly number[]): Tensor {
  const source = weight.data as Float32Array;
  const [outputs, inputs, ...kernel] = weight.dims;
  const reaches = phaseReach(weight, factors);
  const sizes = reaches.map((reach) => 2 * reach + 1);
  const phases = grid(factors);
  const taps = grid(kernel);
  const places = sizes.reduce((product, size) => product * size, 1);
  const inChannels = phases.length * inputs;
  const data = new Float32Array(phases.length * outputs * inChannels * places);
  for (const [r, phase] of phases.entries()) {
    for (const [t, tap] of taps.entries()) {
      let from = 0;
      let place = 0;
      for (const [axis, factor] of factors.entries()) {
        const fine = phase[axis] + tap[axis] - (kernel[axis] - 1) / 2;
        const coarse = Math.floor(fine / factor);
        from = from * factor + fine - coarse * factor;
        place = place * sizes[axis] + coarse + reaches[axis];
      }
      for (let o = 0; o < outputs; o++) {
        for (let i = 0; i < inputs; i++) {
          data[((r * outputs + o) * inChannels + from * inputs + i) * places + place] =
            source[(o * inputs + i) * taps.length + t];
        }
      }
    }
  }
  return floats([phases.length * outputs, inChannels, ...sizes], data);
}
