import { convSlices, type SliceConv } from './conv.js';
import { orderOutputs } from './filters.js';
import { planarOf, type Slices, type SliceWriter } from './values.js';

/** A pixel shuffle of slices. Whole blocks of channels are moved as they are; fewer channels become planar. */
export function shuffleSlices(writer: SliceWriter, slices: Slices, factors: readonly number[]): Slices {
  const { graph, block } = writer;
  const [fd, fh, fw] = factors;
  const [depth, height, width] = slices.size;
  const channels = slices.channels / (fd * fh * fw);
  const size = [depth * fd, height * fh, width * fw] as const;
  const lanes = slices.layout === 'blocked' && channels % block === 0 ? block : 1;
  const layout = lanes === 1 ? 'planar' : 'blocked';
  const name = lanes === 1 ? planarOf(writer, slices) : slices.name;
  const apart = writer.reshape(name, [-1, fd, fh, fw, channels / lanes, height, width, lanes]);
  const moved = graph.addNode('Transpose', [apart], { perm: [0, 1, 4, 5, 2, 6, 3, 7] });
  return { name: writer.reshape(moved, [-1, channels, ...size.slice(1)]), layout, channels, size };
}

/** Whether `convNarrowShuffle` can do it: fewer channels than a block, but whole blocks for each phase of the width. */
export function narrowShuffleFits(
  { block }: SliceWriter,
  { kernel }: SliceConv,
  factors: readonly number[],
): boolean {
  if (block === 1 || factors.length !== 3) return false;
  const [fd, fh, fw] = factors;
  return fw > 1 && (kernel.outputs / (fd * fh * fw)) % block !== 0 && (kernel.outputs / fw) % block === 0;
}

/**
 * A convolution and the pixel shuffle of its few channels. Moving single values to every other place of a row is slow, so
 * the convolution gives the phases of the width as blocks, which are moved as they are while blocked; then planes are
 * taken apart, and the phases of the height are whole rows.
 */
export function convNarrowShuffle(
  writer: SliceWriter,
  inputs: readonly Slices[],
  conv: SliceConv,
  factors: readonly number[],
): Slices {
  const { graph, block } = writer;
  const [fd, fh, fw] = factors;
  const each = conv.kernel.outputs / fw;
  const channels = each / (fd * fh);
  // From phases (depth, height, width) to (width, depth, height), the channels fastest.
  const order = Array.from({ length: conv.kernel.outputs }, (_, i) => {
    const rest = i % each;
    return (Math.floor(rest / channels) * fw + Math.floor(i / each)) * channels + (rest % channels);
  });
  const bias = conv.bias.length > 0 ? order.map((from) => conv.bias[from]) : [];
  const phases = convSlices(writer, inputs, { ...conv, kernel: orderOutputs(conv.kernel, order), bias });
  const [depth, height, width] = phases.size;
  const apart = writer.reshape(phases.name, [-1, fw, each / block, height, width, block]);
  const wide = graph.addNode('Transpose', [apart], { perm: [0, 2, 3, 4, 1, 5] });
  const full = width * fw;
  const blocked: Slices = {
    name: writer.reshape(wide, [-1, each, height, full]),
    layout: 'blocked',
    channels: each,
    size: [depth, height, full],
  };
  const rows = writer.reshape(planarOf(writer, blocked), [-1, fd, fh, channels, height, full]);
  const moved = graph.addNode('Transpose', [rows], { perm: [0, 1, 3, 4, 2, 5] });
  const size = [depth * fd, height * fh, full] as const;
  return { name: writer.reshape(moved, [-1, channels, size[1], full]), layout: 'planar', channels, size };
}
