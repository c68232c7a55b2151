import type { Attribute } from '../graph.js';
import { floats } from '../tensor.js';
import { type Box, cutKernel, type Kernel, packFilter, roundUp, tapBox, winogradKernels } from './filters.js';
import { laneConv, lanesFit } from './lanes.js';
import type { SliceConv } from './sliceConv.js';
import { blockedOf, nchwc, type Slices, type SliceWriter } from './values.js';

/**
 * The share of its greatest speed that a blocked convolution reaches with 1, 2, 3, ... blocks of output
 * channels side by side. With few blocks of 8, each sum waits for the one before it (measured with AVX2);
 * blocks of 16 show no such thing (AVX-512 on Zen 4).
 */
const speeds: Readonly<Record<number, readonly number[]>> = { 8: [0.45, 0.78, 1] };

/** What reading and writing an output value costs a convolution, in products (Zen 4: 1 ns at most). */
const outputCost = 30;

/**
 * A 3D convolution as 2D ones; `inputs` are joined along the channels. Output channels are taken apart into
 * groups where that leaves out taps that are zero.
 */
export function convSlices(writer: SliceWriter, from: readonly Slices[], conv: SliceConv): Slices {
  const size = outputSize(from[0].size, conv);
  // ONNX Runtime takes planar inputs only where their channels fill no block.
  const inputs = from.map((slices) =>
    slices.layout === 'planar' && slices.channels >= writer.block ? blockedOf(writer, slices) : slices,
  );
  const groups = outputGroups(conv.kernel, writer.block).map(({ outputs, box }) => {
    const part: SliceConv = {
      ...conv,
      kernel: cutKernel(conv.kernel, outputs, [0, conv.kernel.inputs], box),
      bias: conv.bias.slice(...outputs),
      pads: conv.pads.map((pad, i) =>
        i < 3
          ? pad - box[i][0] * conv.dilations[i]
          : pad - (conv.kernel.size[i - 3] - box[i - 3][1]) * conv.dilations[i - 3],
      ),
    };
    return groupSlices(writer, inputs, part, size);
  });
  if (groups.length === 1) return groups[0];
  const name = writer.graph.addNode(
    'Concat',
    groups.map((group) => group.name),
    { axis: 1 },
  );
  return { ...groups[0], name, channels: conv.kernel.outputs };
}

function outputSize(size: Slices['size'], { kernel, strides, dilations, pads }: SliceConv): Slices['size'] {
  const [d, h, w] = size.map(
    (n, i) =>
      Math.floor((n + pads[i] + pads[i + 3] - dilations[i] * (kernel.size[i] - 1) - 1) / strides[i]) + 1,
  );
  return [d, h, w];
}

interface OutputGroup {
  readonly outputs: readonly [number, number];
  readonly box: Box;
}

/** Takes the outputs apart into equal groups of whole blocks, as many as make the least work. */
function outputGroups(kernel: Kernel, block: number): OutputGroup[] {
  let best: OutputGroup[] = [];
  let least = Number.POSITIVE_INFINITY;
  for (let count = 1; count <= Math.max(1, kernel.outputs / block); count *= 2) {
    const each = kernel.outputs / count;
    if (count > 1 && each % block !== 0) break;
    const groups = Array.from({ length: count }, (_, i): OutputGroup => {
      const outputs = [i * each, (i + 1) * each] as const;
      return { outputs, box: tapBox(kernel, outputs) };
    });
    const blocks = roundUp(each, block) / block;
    const work = groups.reduce((sum, { box }) => {
      const [depth, height, width] = box.map(([first, end]) => end - first);
      return sum + each * depth * (height * width * kernel.inputs + outputCost);
    }, 0);
    const speed = speeds[block] ?? [1];
    const cost = work / speed[Math.min(blocks, speed.length) - 1];
    // Joining the groups costs a pass over the output: take them apart for a clear gain only.
    if (cost < least * 0.95) {
      best = groups;
      least = cost;
    }
  }
  return best;
}

function groupSlices(
  writer: SliceWriter,
  inputs: readonly Slices[],
  conv: SliceConv,
  size: Slices['size'],
): Slices {
  if (lanesFit(writer, inputs, conv, size)) return laneConv(writer, inputs[0], conv, size);
  if (winogradFits(inputs, conv)) return winograd(writer, inputs, conv, size);
  const [only] = inputs;
  const few = only.channels * conv.kernel.size[0] < writer.block;
  if (inputs.length === 1 && only.layout === 'planar' && few) {
    const slices = stackTaps(writer, only, conv, size);
    return sumOfConvs(writer, [{ slices, kernel: tapsAsInputs(conv.kernel), tap: 0 }], conv, size);
  }
  const terms = partsOf(inputs, conv.kernel).flatMap(({ slices, kernel }) =>
    Array.from({ length: kernel.size[0] }, (_, tap): Term => {
      return { slices: pickTap(writer, slices, conv, tap, size), kernel, tap };
    }),
  );
  return sumOfConvs(writer, terms, conv, size);
}

/** The slices that a depth tap reads, each at the place of its output. */
function pickTap(
  writer: SliceWriter,
  slices: Slices,
  { strides, dilations, pads }: SliceConv,
  tap: number,
  size: Slices['size'],
): Slices {
  return writer.pick(slices, tap * dilations[0] - pads[0], strides[0], size[0]);
}

/** Each input with the part of the kernel that reads it. */
function partsOf(inputs: readonly Slices[], kernel: Kernel): { slices: Slices; kernel: Kernel }[] {
  let first = 0;
  const [depth, height, width] = kernel.size;
  const box: Box = [
    [0, depth],
    [0, height],
    [0, width],
  ];
  return inputs.map((slices) => {
    const part = cutKernel(kernel, [0, kernel.outputs], [first, first + slices.channels], box);
    first += slices.channels;
    return { slices, kernel: part };
  });
}

/** One 2D convolution: a tap of a kernel on slices that were shifted to their places. */
interface Term {
  readonly slices: Slices;
  readonly kernel: Kernel;
  readonly tap: number;
}

/**
 * Adds up blocked 2D convolutions, `sum` among them if there is one; bias and activation come with the first
 * and the last.
 */
function sumOfConvs(
  writer: SliceWriter,
  terms: readonly Term[],
  conv: Pick<SliceConv, 'bias' | 'strides' | 'dilations' | 'pads' | 'activation'>,
  size: Slices['size'],
  sum = '',
): Slices {
  const { graph, block } = writer;
  const { outputs } = terms[0].kernel;
  let before = sum;
  for (const [index, { slices, kernel, tap }] of terms.entries()) {
    const planar = slices.layout === 'planar';
    const bias = new Float32Array(roundUp(outputs, block));
    if (index === 0) bias.set(conv.bias);
    const operands = [
      slices.name,
      graph.addConstant('filter', packFilter(kernel, tap, block, planar)),
      index === 0 && conv.bias.length > 0 ? graph.addConstant('bias', floats([bias.length], bias)) : '',
      before,
    ];
    while (operands.at(-1) === '') operands.pop();
    before = graph.addNode(
      'Conv',
      operands,
      {
        ...planeAttributes(conv, kernel.size),
        ...(index === terms.length - 1 ? conv.activation : {}),
      },
      { domain: nchwc },
    );
  }
  return { name: before, layout: 'blocked', channels: outputs, size };
}

/** Planar slices with all depth taps side by side as channels. */
function stackTaps(writer: SliceWriter, slices: Slices, conv: SliceConv, size: Slices['size']): Slices {
  const names = Array.from(
    { length: conv.kernel.size[0] },
    (_, tap) => pickTap(writer, slices, conv, tap, size).name,
  );
  const name = names.length === 1 ? names[0] : writer.graph.addNode('Concat', names, { axis: 1 });
  return { name, layout: 'planar', channels: conv.kernel.inputs * conv.kernel.size[0], size };
}

/** The kernel for stacked taps: [outputs, depth * inputs, 1, height, width]. */
function tapsAsInputs({ outputs, inputs, size: [depth, height, width], data }: Kernel): Kernel {
  const plane = height * width;
  const moved = new Float32Array(data.length);
  for (let o = 0; o < outputs; o++) {
    for (let i = 0; i < inputs; i++) {
      for (let d = 0; d < depth; d++) {
        const from = ((o * inputs + i) * depth + d) * plane;
        moved.set(data.subarray(from, from + plane), ((o * depth + d) * inputs + i) * plane);
      }
    }
  }
  return { outputs, inputs: inputs * depth, size: [1, height, width], data: moved };
}

/** Attributes of the 2D convolution within a slice. */
function planeAttributes(
  { strides, dilations, pads }: Pick<SliceConv, 'strides' | 'dilations' | 'pads'>,
  kernel: Kernel['size'],
): Record<string, Attribute> {
  return {
    kernel_shape: kernel.slice(1),
    strides: strides.slice(1),
    dilations: dilations.slice(1),
    pads: [1, 2, 4, 5].map((i) => pads[i]),
  };
}

/** Fewer input channels than this do not pay for the sums of slices that Winograd's algorithm needs. */
const leastWinogradInputs = 16;

function winogradFits(inputs: readonly Slices[], { kernel, strides, dilations, pads }: SliceConv): boolean {
  return (
    kernel.size[0] === 3 &&
    strides[0] === 1 &&
    dilations[0] === 1 &&
    pads[0] === 1 &&
    pads[3] === 1 &&
    kernel.inputs >= leastWinogradInputs &&
    inputs.every(({ size, layout }) => size[0] % 2 === 0 && layout === 'blocked')
  );
}

/**
 * Winograd's F(2, 3) along the depth: two output slices from four products instead of six. With the slices x
 * of an output pair (2t, 2t + 1) and the kernels of `winogradKernels`, M0 = g0 * (x[2t-1] - x[2t+1]), M1 = g1
 * * (x[2t] + x[2t+1]), M2 = g2 * (x[2t+1] - x[2t]), M3 = g3 * (x[2t] - x[2t+2]); the outputs are M0 + M1 + M2
 * and M1 - M2 + M3.
 *
 * Lavin and Gray, Fast Algorithms for Convolutional Neural Networks (2015).
 */
function winograd(
  writer: SliceWriter,
  inputs: readonly Slices[],
  conv: SliceConv,
  size: Slices['size'],
): Slices {
  const { graph } = writer;
  const half = size[0] / 2;
  const halfSize = [half, size[1], size[2]] as const;
  const products: [Term[], Term[], Term[], Term[]] = [[], [], [], []];
  for (const { slices, kernel } of partsOf(inputs, conv.kernel)) {
    const operands = winogradInputs(writer, slices, half);
    for (const [i, part] of winogradKernels(kernel).entries()) {
      products[i].push({ slices: operands[i], kernel: part, tap: 0 });
    }
  }
  const plain = { ...conv, activation: {}, bias: [] };
  const one = sumOfConvs(writer, products[1], { ...plain, bias: conv.bias }, halfSize);
  const two = sumOfConvs(writer, products[2], plain, halfSize);
  const last = { ...conv, bias: [] };
  const even = sumOfConvs(writer, products[0], last, halfSize, graph.addNode('Add', [one.name, two.name]));
  const odd = sumOfConvs(writer, products[3], last, halfSize, graph.addNode('Sub', [one.name, two.name]));
  const values = writer.stored(one) * size[1] * size[2];
  const pairs = [even, odd].map(({ name }) => writer.reshape(name, [-1, 1, values]));
  return writer.unrow(graph.addNode('Concat', pairs, { axis: 1 }), { ...even, size });
}

/** The four sums of slices that Winograd's kernels read. */
function winogradInputs(writer: SliceWriter, slices: Slices, half: number): Slices[] {
  const even = writer.pick(slices, 0, 2, half);
  const odd = writer.pick(slices, 1, 2, half);
  const oddBefore = writer.pick(odd, -1, 1, half);
  const evenAfter = writer.pick(even, 1, 1, half);
  const sums: [string, Slices, Slices][] = [
    ['Sub', oddBefore, odd],
    ['Add', even, odd],
    ['Sub', odd, even],
    ['Sub', even, evenAfter],
  ];
  return sums.map(([op, a, b]) => ({ ...even, name: writer.graph.addNode(op, [a.name, b.name]) }));
}
