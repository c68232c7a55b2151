import { floats, grid } from '../tensor.js';
import { type Box, cutKernel, type Kernel, packFilter, roundUp, tapBox } from './filters.js';
import { laneConv, lanesFit } from './lanes.js';
import { planeTileConv, planeTilesPay } from './planeTiles.js';
import { chunksOf, RowBuffer } from './rowBuffer.js';
import { partsOf, planeAttributes, type SliceConv } from './sliceConv.js';
import { blockedOf, nchwc, planarOf, type Slices, type SliceWriter } from './values.js';
import { cheapestTile, winogradConv } from './winograd.js';

/**
 * The share of its greatest speed that a blocked convolution reaches with 1, 2, 3, ... blocks of output
 * channels side by side. With few blocks of 8, each sum waits for the one before it (measured with AVX2);
 * blocks of 16 show no such thing (AVX-512 on Zen 4).
 */
const speeds: Readonly<Record<number, readonly number[]>> = { 8: [0.45, 0.78, 1] };

/** The most bytes of copied slices at a time. */
const chunkBytes = 8 * 2 ** 20;

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
  const groups = outputGroups(conv.kernel, writer).map(({ outputs, box }) => {
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
function outputGroups(kernel: Kernel, { block, costs }: SliceWriter): OutputGroup[] {
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
      return sum + each * depth * (height * width * kernel.inputs + costs.output);
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
  const tile = cheapestTile(writer, inputs, conv, size);
  if (tile && planeTilesPay(writer, inputs, conv, size, tile.cost)) {
    return planeTileConv(writer, inputs[0], conv, size);
  }
  if (tile?.m) return winogradConv(writer, inputs, conv, size, tile.m);
  const [only] = inputs;
  const few = only.channels * conv.kernel.size[0] < writer.block;
  if (inputs.length === 1 && only.layout === 'planar' && few) {
    const slices = stackTaps(writer, only, conv, size);
    return convolution(writer, [{ kernel: tapsAsInputs(conv.kernel), tap: 0, planar: true }], conv)([slices]);
  }
  const terms = partsOf(inputs, conv.kernel).flatMap(({ slices, kernel }) =>
    Array.from({ length: kernel.size[0] }, (_, tap) => {
      return { slices, kernel, tap, planar: slices.layout === 'planar' };
    }),
  );
  const convolve = convolution(writer, terms, conv);
  const { outputs } = conv.kernel;
  // The few classes of an output would fill whole blocks: large slices are made planar a few at a time.
  const narrow = writer.inPlace && conv.isOutput === true && outputs < writer.block;
  const like: Omit<Slices, 'name'> = { layout: narrow ? 'planar' : 'blocked', channels: outputs, size };
  const stored = writer.stored({ layout: 'blocked', channels: outputs });
  // The slices that taps read are copies, unless all taps read all slices: few exist at a time.
  const copied = conv.kernel.size[0] > 1 || conv.strides[0] > 1;
  const read = Math.max(...inputs.map((slices) => writer.stored(slices) * slices.size[1] * slices.size[2]));
  const bytes = 4 * Math.max(copied ? read : 0, narrow ? stored * size[1] * size[2] : 0);
  const chunks = chunksOf(size[0], writer.inPlace ? bytes : 0, chunkBytes);
  const buffer = new RowBuffer(writer, [size[0], writer.stored(like) * size[1] * size[2]]);
  for (const [first, count] of chunks) {
    const picked = terms.map(({ slices, tap }) => pickTap(writer, slices, conv, tap, first, count));
    const part = convolve(picked);
    if (chunks.length === 1) return part;
    buffer.write(
      writer.rows(narrow ? { ...part, layout: 'planar', name: planarOf(writer, part) } : part),
      first,
      count,
    );
  }
  return writer.unrow(buffer.rows, like);
}

/** The slices that a depth tap reads for `count` outputs from `first` on, each at the place of its output. */
function pickTap(
  writer: SliceWriter,
  slices: Slices,
  { strides, dilations, pads }: SliceConv,
  tap: number,
  first: number,
  count: number,
): Slices {
  const start = first * strides[0] + tap * dilations[0] - pads[0];
  return writer.pick(slices, start, strides[0], count);
}

/** One 2D convolution of a sum: a tap of a kernel, and whether the slices that it reads are planar. */
interface Term {
  readonly kernel: Kernel;
  readonly tap: number;
  readonly planar: boolean;
}

/**
 * A sum of blocked 2D convolutions, of the slices that the terms read. The first adds the bias, the last
 * applies the activation. The filters are packed once for all slices to which the result is applied.
 */
export function convolution(
  { graph, block }: SliceWriter,
  terms: readonly Term[],
  conv: SliceConv,
): (slices: readonly Slices[]) => Slices {
  const { outputs } = terms[0].kernel;
  const filters = terms.map(({ kernel, tap, planar }) =>
    graph.addConstant('filter', packFilter(kernel, tap, block, planar)),
  );
  const biases = new Float32Array(roundUp(outputs, block));
  biases.set(conv.bias);
  const bias = conv.bias.length > 0 ? graph.addConstant('bias', floats([biases.length], biases)) : '';
  return (slices) => {
    let sum = '';
    for (const [i, { kernel }] of terms.entries()) {
      const operands = [slices[i].name, filters[i], i === 0 ? bias : '', sum];
      while (operands.at(-1) === '') operands.pop();
      const activation = i === terms.length - 1 ? conv.activation : {};
      const attributes = { ...planeAttributes(conv, kernel.size), ...activation };
      sum = graph.addNode('Conv', operands, attributes, { domain: nchwc });
    }
    const [, height, width] = outputSize(slices[0].size, { ...conv, kernel: terms[0].kernel });
    return { name: sum, layout: 'blocked', channels: outputs, size: [slices[0].size[0], height, width] };
  };
}

/** Planar slices with all depth taps side by side as channels. */
function stackTaps(writer: SliceWriter, slices: Slices, conv: SliceConv, size: Slices['size']): Slices {
  const [taps] = conv.kernel.size;
  if (taps === 1) return pickTap(writer, slices, conv, 0, 0, size[0]);
  const [depth, height, width] = slices.size;
  const places = grid([size[0], taps]).map(
    ([at, tap]) => at * conv.strides[0] + tap * conv.dilations[0] - conv.pads[0],
  );
  const before = Math.max(0, -Math.min(...places));
  const after = Math.max(0, Math.max(...places) + 1 - depth);
  const padded = writer.pick(slices, -before, 1, before + depth + after);
  const rows = writer.graph.addNode(
    'Gather',
    [writer.rows(padded), writer.shape(places.map((place) => place + before))],
    { axis: 1 },
  );
  const channels = conv.kernel.inputs * taps;
  return writer.unrow(rows, { layout: 'planar', channels, size: [size[0], height, width] });
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
