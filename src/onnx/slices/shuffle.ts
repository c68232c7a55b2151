import { grid } from '../tensor.js';
import { convolution, convSlices } from './conv.js';
import { orderOutputs, roundUp } from './filters.js';
import { partsOf, type SliceConv } from './sliceConv.js';
import { planarOf, type Slices, type SliceWriter } from './values.js';

/**
 * A pixel shuffle of slices. Whole blocks of channels are moved as they are; fewer channels become planar.
 */
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

/** Phases of fewer bytes are held as a whole. */
const largePhases = 16 * 2 ** 20;

/**
 * A convolution of one slice at a time, as that of a transposed convolution whose kernel is as large as its
 * stride, and the pixel shuffle of its whole blocks of channels. Undefined for other convolutions, and where
 * the result takes little memory.
 */
export function convShuffle(
  writer: SliceWriter,
  inputs: readonly Slices[],
  conv: SliceConv,
  factors: readonly number[],
): Slices | undefined {
  const { kernel, strides, pads } = conv;
  const [depth, height, width] = inputs[0].size;
  const alone = kernel.size[0] === 1 && pads[0] + pads[3] === 0 && strides.every((stride) => stride === 1);
  const phases = factors.reduce((product, factor) => product * factor, 1);
  const blocked =
    inputs.every(({ layout }) => layout === 'blocked') && (kernel.outputs / phases) % writer.block === 0;
  const large = 4 * kernel.outputs * depth * height * width > largePhases;
  return writer.inPlace && alone && blocked && large
    ? new ShuffledSlices(writer, inputs, conv, factors)
    : undefined;
}

/** The slices of `convShuffle`, which are made when they are read. */
class ShuffledSlices implements Slices {
  readonly layout = 'blocked';
  readonly channels: number;
  readonly size: Slices['size'];
  readonly #writer: SliceWriter;
  readonly #factors: readonly number[];
  readonly #convolve: (first: number, count: number) => Slices;
  #whole: string | undefined;

  constructor(writer: SliceWriter, inputs: readonly Slices[], conv: SliceConv, factors: readonly number[]) {
    this.#writer = writer;
    this.#factors = factors;
    const [fd, fh, fw] = factors;
    const [depth, height, width] = inputs[0].size;
    this.channels = conv.kernel.outputs / (fd * fh * fw);
    this.size = [depth * fd, height * fh, width * fw];
    const terms = partsOf(inputs, conv.kernel).map(({ kernel }) => ({ kernel, tap: 0, planar: false }));
    const convolve = convolution(writer, terms, conv);
    this.#convolve = (first, count) => convolve(inputs.map((slices) => writer.cut(slices, first, count)));
  }

  get name(): string {
    const [depth] = this.size;
    this.#whole ??= this.#writer.unrow(this.read(0, depth), this).name;
    return this.#whole;
  }

  read(first: number, end: number): string {
    const writer = this.#writer;
    const [fd] = this.#factors;
    const start = Math.floor(first / fd);
    const slices = shuffleSlices(writer, this.#convolve(start, Math.ceil(end / fd) - start), this.#factors);
    const rows = writer.rows(slices);
    const inside = first - start * fd;
    return end - first === slices.size[0] ? rows : writer.cutRows(rows, inside, inside + end - first);
  }
}

/** How the channels of a convolution and its pixel shuffle lie in blocks; see `convNarrowShuffle`. */
interface NarrowShuffle {
  /** Channels after the shuffle, filled up so that their phases are whole blocks. */
  readonly channels: number;
  /** Blocks that differ in the phase of the depth, and blocks that differ in the channel. */
  readonly blocks: readonly [depth: number, channel: number];
  /** Phases of the depth, and channels, within a block. */
  readonly inside: readonly [depth: number, channel: number];
}

/**
 * The form of a shuffle to channels that fill no blocks, or undefined when there is none, or it would add
 * blocks.
 */
export function narrowShuffle(
  { block }: SliceWriter,
  { kernel }: SliceConv,
  factors: readonly number[],
): NarrowShuffle | undefined {
  if (factors.length !== 3) return undefined;
  const [fd, fh, fw] = factors;
  const phases = fd * fh * fw;
  const given = kernel.outputs / phases;
  if (given % block === 0 || fw === 1) return undefined;
  for (let channels = given; channels * phases <= roundUp(kernel.outputs, block); channels++) {
    const blocks = (channels * phases) / block;
    if (!Number.isInteger(blocks)) continue;
    const depth = greatestDivisor(fd, blocks);
    const channel = blocks / depth;
    if (channels % channel !== 0 || block % fw !== 0) continue;
    return { channels, blocks: [depth, channel], inside: [fd / depth, channels / channel] };
  }
  return undefined;
}

function greatestDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestDivisor(b, a % b);
}

/**
 * A convolution and the pixel shuffle of its few channels. Moving single values to every other place of a row
 * is slow. But a block has a voxel's channels side by side: with the phase of the width first among them, the
 * places of a row are in order as they are, and what is left is to take the channels of a row apart, and then
 * to move whole rows.
 */
export function convNarrowShuffle(
  writer: SliceWriter,
  inputs: readonly Slices[],
  conv: SliceConv,
  factors: readonly number[],
  { channels, blocks, inside }: NarrowShuffle,
): Slices {
  const { graph } = writer;
  const [fd, fh, fw] = factors;
  const given = conv.kernel.outputs / (fd * fh * fw);
  // Outputs come as (depth, height, width, channel); where there is none, one of zeros.
  const order = grid([...blocks, fw, ...inside, fh]).map(([bd, bc, w, d, c, h]) => {
    const channel = bc * inside[1] + c;
    return channel < given ? (((bd * inside[0] + d) * fh + h) * fw + w) * given + channel : -1;
  });
  const bias = conv.bias.length > 0 ? order.map((from) => conv.bias[from] ?? 0) : [];
  const phases = convSlices(writer, inputs, { ...conv, kernel: orderOutputs(conv.kernel, order), bias });
  const [depth, height, width] = phases.size;
  const within = inside[0] * inside[1] * fh;
  const size = [depth * fd, height * fh, width * fw] as const;
  const places = writer.reshape(phases.name, [-1, size[2], within]);
  const rows = graph.addNode('Transpose', [places], { perm: [0, 2, 1] });
  const apart = writer.reshape(rows, [-1, ...blocks, height, ...inside, fh, size[2]]);
  const moved = graph.addNode('Transpose', [apart], { perm: [0, 1, 4, 2, 5, 3, 6, 7] });
  const name = writer.reshape(moved, [-1, channels, size[1], size[2]]);
  const whole: Slices = { name, layout: 'planar', channels, size };
  if (channels === given) return whole;
  const cut = [name, writer.shape([0]), writer.shape([given]), writer.shape([1])];
  return { ...whole, name: graph.addNode('Slice', cut), channels: given };
}
