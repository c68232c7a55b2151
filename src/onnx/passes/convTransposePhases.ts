import { convConstants, intOf, intsOf, rewriteNodes, textOf } from '../edit.js';
import type { Graph, GraphNode } from '../graph.js';
import { floats, grid, int64s, numbersOf, type Tensor } from '../tensor.js';
import { addPixelShuffle } from './pixelShuffle.js';

/**
 * Makes a transposed convolution a convolution and a pixel shuffle: with stride s, output voxel s q + r sees
 * only the inputs q + d for which r + pad - s d is inside the kernel, so that each of the s phases r of an
 * axis is a separate small convolution, and all of them are the output channels of one (2 x 2 x 2 with
 * eight phases for stride 2, kernel 3, pads 1, output padding 1).
 *
 * Takes transposed convolutions with constant float32 weights, one group, no dilation, and an output of
 * `stride` times the input, or less by fewer voxels than the stride. Their `PixelShuffle` is not ONNX's:
 * `lowerPixelShuffle` must follow.
 */
export function convTransposePhases(graph: Graph): Graph {
  return rewriteNodes(graph, (node, copy) => {
    const constants = convConstants(graph, node, 'ConvTranspose');
    const axes = constants && transposedAxes(node, constants.weight);
    if (!axes) return false;
    const { weight, bias } = constants;
    const strides = axes.map(({ stride }) => stride);
    const phases = strides.reduce((product, stride) => product * stride, 1);
    const conv = copy.addNode(
      'Conv',
      [
        node.inputs[0],
        copy.addConstant(`${node.name}.weight`, phaseWeight(weight, axes)),
        ...(bias ? [copy.addConstant(`${node.name}.bias`, repeat(numbersOf(bias), phases))] : []),
      ],
      {
        kernel_shape: axes.map(({ last, first }) => last - first + 1),
        pads: [...axes.map(({ first }) => -first), ...axes.map(({ last }) => last)],
      },
      { outputs: [copy.freeName(`${node.name}.phases`)] },
    );
    const missing = axes.map(({ less }) => less);
    if (missing.every((count) => count === 0)) addPixelShuffle(copy, conv, strides, node.outputs[0]);
    else {
      const whole = addPixelShuffle(copy, conv, strides, copy.freeName(`${node.name}.whole`));
      const ends = copy.addConstant('ends', int64s(missing.map((count) => (count === 0 ? largest : -count))));
      const starts = copy.addConstant('starts', int64s(missing.map(() => 0)));
      const places = copy.addConstant('axes', int64s(missing.map((_, axis) => axis + 2)));
      copy.addNode('Slice', [whole, starts, ends, places], {}, { outputs: node.outputs });
    }
    return true;
  });
}

const largest = 2 ** 31 - 1;

/** One axis: the outputs of all phases see the inputs q + first to q + last. */
interface TransposedAxis {
  readonly stride: number;
  readonly pad: number;
  readonly kernel: number;
  readonly first: number;
  readonly last: number;
  /** Voxels that the output has less than the stride times the input. */
  readonly less: number;
}

function transposedAxes(node: GraphNode, weight: Tensor): TransposedAxis[] | undefined {
  const kernel = weight.dims.slice(2);
  const rank = kernel.length;
  const strides = intsOf(node, 'strides', Array<number>(rank).fill(1));
  const pads = intsOf(node, 'pads', Array<number>(2 * rank).fill(0));
  const more = intsOf(node, 'output_padding', Array<number>(rank).fill(0));
  const missing = kernel.map((k, i) => strides[i] - (k - pads[i] - pads[i + rank] + more[i]));
  const plain =
    intOf(node, 'group', 1) === 1 &&
    intsOf(node, 'dilations', []).every((dilation) => dilation === 1) &&
    textOf(node, 'auto_pad', 'NOTSET') === 'NOTSET' &&
    !node.attributes['output_shape'] &&
    missing.every((less, i) => less >= 0 && less < strides[i]);
  if (!plain) return undefined;
  return kernel.map((k, i) => {
    // Phase r sees the inputs q + d with 0 <= r + pad - stride d < kernel.
    const first = Math.ceil((pads[i] - k + 1) / strides[i]);
    const last = Math.floor((strides[i] - 1 + pads[i]) / strides[i]);
    return { stride: strides[i], pad: pads[i], kernel: k, first, last, less: missing[i] };
  });
}

/** From [in, out, ...kernel] to [phases * out, in, ...taps], the last axis' phase varying fastest. */
function phaseWeight(weight: Tensor, axes: readonly TransposedAxis[]): Tensor {
  const source = weight.data as Float32Array;
  const [inputs, outputs, ...kernel] = weight.dims;
  const strides = axes.map(({ stride }) => stride);
  const taps = axes.map(({ first, last }) => last - first + 1);
  const volume = kernel.reduce((product, k) => product * k, 1);
  const tapCount = taps.reduce((product, t) => product * t, 1);
  const phases = grid(strides);
  const offsets = grid(taps);
  const data = new Float32Array(phases.length * outputs * inputs * tapCount);
  for (const [p, phase] of phases.entries()) {
    for (const [t, offset] of offsets.entries()) {
      let from = 0;
      const inside = axes.every(({ stride, pad, kernel: k, first }, axis) => {
        const place = phase[axis] + pad - stride * (first + offset[axis]);
        from = from * k + place;
        return place >= 0 && place < k;
      });
      if (!inside) continue;
      for (let o = 0; o < outputs; o++) {
        for (let i = 0; i < inputs; i++) {
          data[((p * outputs + o) * inputs + i) * tapCount + t] = source[(i * outputs + o) * volume + from];
        }
      }
    }
  }
  return floats([phases.length * outputs, inputs, ...taps], data);
}

function repeat(values: readonly number[], times: number): Tensor {
  return floats([values.length * times], Array.from({ length: times }, () => values).flat());
}
