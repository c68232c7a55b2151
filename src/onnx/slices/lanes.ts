import { floats } from '../tensor.js';
import { planeAttributes, type SliceConv } from './sliceConv.js';
import { nchwc, type Slices, type SliceWriter } from './values.js';

/** With more products of channels than this, or more outputs, blocks of channels are filled well enough. */
const mostProducts = 16;
const mostOutputs = 4;

/**
 * Whether `laneConv` can do a convolution, and pays: few channels, planar, of a depth that is a multiple of
 * the block.
 */
export function lanesFit(
  writer: SliceWriter,
  inputs: readonly Slices[],
  { kernel, strides, dilations }: SliceConv,
  [depth]: Slices['size'],
): boolean {
  return (
    inputs.length === 1 &&
    inputs[0].layout === 'planar' &&
    strides[0] === 1 &&
    dilations[0] === 1 &&
    depth % writer.block === 0 &&
    kernel.outputs <= mostOutputs &&
    kernel.outputs * kernel.inputs <= mostProducts
  );
}

/**
 * A convolution of few channels, which would leave a block of channels mostly empty. The block is filled with
 * slices instead: the depth is cut into as many slabs as a block has channels, and slice t of every slab
 * becomes one tensor of that many channels, the lanes. Each product of an input, an output and a depth tap is
 * a depthwise convolution whose filters are all the same. The lanes of each t are separate tensors, which are
 * still in the cache when the taps of the next t read them. Planar slices in, planar slices out.
 */
export function laneConv(writer: SliceWriter, input: Slices, conv: SliceConv, size: Slices['size']): Slices {
  const { graph, block } = writer;
  const { kernel, pads } = conv;
  const [taps, height, width] = kernel.size;
  const [depth, outHeight, outWidth] = size;
  const slab = depth / block;
  const channels = Array.from({ length: kernel.inputs }, (_, channel) => channel);
  const lanes = Array.from({ length: slab + taps - 1 }, (_, at) =>
    channels.map((channel) => cutLanes(writer, input, channel, { first: at - pads[0], step: slab })),
  );
  const outputs = Array.from({ length: kernel.outputs }, (_, output) => ({
    filters: Array.from({ length: kernel.inputs * taps }, (_, i) => {
      const at = (output * kernel.inputs * taps + i) * height * width;
      const plane = kernel.data.subarray(at, at + height * width);
      return graph.addConstant('filter', sameFilters(plane, [height, width], block));
    }),
    bias:
      conv.bias.length > 0
        ? graph.addConstant('bias', floats([block], new Float32Array(block).fill(conv.bias[output])))
        : '',
  }));
  const attributes = { ...planeAttributes(conv, kernel.size), group: block };
  const parts = Array.from({ length: slab }, (_, at) =>
    outputs.map(({ filters, bias }) => {
      let sum = '';
      for (const [i, filter] of filters.entries()) {
        const operands = [lanes[at + (i % taps)][Math.floor(i / taps)], filter, i === 0 ? bias : '', sum];
        while (operands.at(-1) === '') operands.pop();
        const activation = i === filters.length - 1 ? conv.activation : {};
        sum = graph.addNode('Conv', operands, { ...attributes, ...activation }, { domain: nchwc });
      }
      const planar = graph.addNode('ReorderOutput', [sum], { channels: block }, { domain: nchwc });
      return writer.apart(planar, [1, block, 1, outHeight * outWidth]);
    }),
  ).flat();
  const inOrder = parts.length === 1 ? parts[0] : graph.addNode('Concat', parts, { axis: 2 });
  const name = writer.reshape(inOrder, [-1, kernel.outputs, outHeight, outWidth]);
  return { name, layout: 'planar', channels: kernel.outputs, size };
}

/**
 * Some slices of one channel as the channels of a block, [N, b, height, width] in blocks: `first`, `first` +
 * `step`, ..., zeros where there are none.
 */
function cutLanes(
  writer: SliceWriter,
  { name, channels, size: [depth, height, width] }: Slices,
  channel: number,
  { first, step }: { first: number; step: number },
): string {
  const { graph, block } = writer;
  const places = Array.from({ length: block }, (_, lane) => first + lane * step);
  const before = places.filter((place) => place < 0).length;
  const after = places.filter((place) => place >= depth).length;
  const order = places.slice(before, block - after).map((place) => place * channels + channel);
  const rows = writer.apart(name, [1, depth * channels, height * width]);
  const cut = graph.addNode('Gather', [rows, writer.shape(order)], { axis: 1 });
  const all =
    before + after > 0 ? graph.addNode('Pad', [cut, writer.shape([0, before, 0, 0, after, 0])]) : cut;
  const planar = writer.apart(all, [1, block, height, width]);
  return graph.addNode('ReorderInput', [planar], {}, { domain: nchwc });
}

/**
 * One channel's slices as blocked ones of a slab's depth: channel i of slice t is slice i * step + t, counted
 * from `pads[0]` slices of zeros before the first.
 */
export function cutSlabs(
  writer: SliceWriter,
  { name, channels, size: [depth, height, width] }: Slices,
  channel: number,
  { slab, step, pads }: { slab: number; step: number; pads: readonly [number, number] },
): Slices {
  const { graph, block } = writer;
  const rows = writer.reshape(name, [-1, depth * channels, height * width]);
  const padded = graph.addNode('Pad', [
    rows,
    writer.shape([0, pads[0] * channels, 0, 0, pads[1] * channels, 0]),
  ]);
  const order = Array.from({ length: slab * block }, (_, i) => {
    const slice = (i % block) * step + Math.floor(i / block);
    return slice * channels + channel;
  });
  const cut = graph.addNode('Gather', [padded, writer.shape(order)], { axis: 1 });
  const planar = writer.reshape(cut, [-1, block, height, width]);
  return {
    name: graph.addNode('ReorderInput', [planar], {}, { domain: nchwc }),
    layout: 'blocked',
    channels: block,
    size: [slab, height, width],
  };
}

/** A depthwise filter for each channel of a block, all the same: [1 block, 1, height, width, b]. */
function sameFilters(plane: Float32Array, [height, width]: readonly [number, number], block: number) {
  const data = new Float32Array(plane.length * block);
  for (const [i, value] of plane.entries()) data.fill(value, i * block, (i + 1) * block);
  return floats([block, 1, height, width], data);
}
