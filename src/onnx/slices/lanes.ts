import { floats } from '../tensor.js';
import type { SliceConv } from './sliceConv.js';
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
 * slices instead: the depth is cut into as many slabs as a block has channels, slice t of every slab becomes
 * one tensor of that many channels, and each product of an input, an output and a depth tap is a depthwise
 * convolution whose filters are all the same. Planar slices in, planar slices out.
 */
export function laneConv(writer: SliceWriter, input: Slices, conv: SliceConv, size: Slices['size']): Slices {
  const { graph, block } = writer;
  const { kernel, bias, pads } = conv;
  const [taps, height, width] = kernel.size;
  const [depth, outHeight, outWidth] = size;
  const slab = depth / block;
  const slabs = Array.from({ length: kernel.inputs }, (_, channel) =>
    cutSlabs(writer, input, channel, { slab: slab + taps - 1, step: slab, pads: [pads[0], pads[3]] }),
  );
  const outputs = Array.from({ length: kernel.outputs }, (_, output) => {
    let sum = '';
    for (const [channel, from] of slabs.entries()) {
      for (let tap = 0; tap < taps; tap++) {
        const first = sum === '';
        const last = channel === slabs.length - 1 && tap === taps - 1;
        const at = ((output * kernel.inputs + channel) * taps + tap) * height * width;
        const plane = kernel.data.subarray(at, at + height * width);
        const operands = [
          writer.pick(from, tap, 1, slab).name,
          graph.addConstant('filter', sameFilters(plane, [height, width], block)),
          first && bias.length > 0
            ? graph.addConstant('bias', floats([block], new Float32Array(block).fill(bias[output])))
            : '',
          sum,
        ];
        while (operands.at(-1) === '') operands.pop();
        sum = graph.addNode(
          'Conv',
          operands,
          {
            group: block,
            kernel_shape: [height, width],
            strides: conv.strides.slice(1),
            dilations: conv.dilations.slice(1),
            pads: [1, 2, 4, 5].map((i) => pads[i]),
            ...(last ? conv.activation : {}),
          },
          { domain: nchwc },
        );
      }
    }
    const planar = graph.addNode('ReorderOutput', [sum], { channels: block }, { domain: nchwc });
    const apart = writer.reshape(planar, [-1, slab, block, outHeight * outWidth]);
    const inOrder = graph.addNode('Transpose', [apart], { perm: [0, 2, 1, 3] });
    return writer.reshape(inOrder, [-1, 1, outHeight, outWidth]);
  });
  const name = outputs.length === 1 ? outputs[0] : graph.addNode('Concat', outputs, { axis: 1 });
  return { name, layout: 'planar', channels: kernel.outputs, size };
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
