import { type Ops, range } from '../ops.js';
import { grid, sizeOf } from '../tensor.js';
import type { Dims } from './rule.js';
import type { Sliding } from './sliding.js';

/** The most numbers in the shifted copies for one matrix product: 24 MiB. */
const mostCopied = 6 << 20;

/** Volumes of up to this many voxels use the form `convolution`. */
const smallVolume = 512;

/**
 * How a weight's gradient is computed. `weightGradientForm` picks the form that measured fastest (see
 * docs/training-internals.md).
 * - `stacked`: a matrix product of the gradient at the output and, for each tap of the kernel, the part of
 *   the input that it reads. Several taps are channels of one product, because products with few rows and
 *   columns are slow.
 * - `slices`: the same, slice by slice along the first axis. Taps along that axis are shifts by whole slices
 *   and taps along the second one shifts by whole rows, which copy less and faster. For three axes, stride 1
 *   and one group.
 * - `convolution`: the input convolved with the gradient as the kernel, with batch and channels exchanged.
 *   For one group.
 */
export type WeightGradientForm = 'stacked' | 'slices' | 'convolution';

/**
 * The gradient of a convolution's weight [O, I / group, ...kernel], from its input `x` [N, I, ...] and the
 * gradient `dy` [N, O, ...] at its output. With stride 1, `dy` is shifted instead of `x` if it has fewer
 * channels, which copies less.
 */
export function weightGradient(
  ops: Ops,
  x: string,
  xDims: Dims,
  dy: string,
  dyDims: Dims,
  weightDims: Dims,
  sliding: Sliding,
  form: WeightGradientForm = weightGradientForm(dyDims, weightDims, sliding),
): string {
  const { strides, dilations, pads, group } = sliding;
  const kernel = weightDims.slice(2);
  const rank = kernel.length;
  if (form === 'convolution') return byConvolution(ops, x, xDims, dy, dyDims, kernel, sliding);
  const reach = kernel.map((k, i) => (k - 1) * dilations[i]);
  const input: Moved = {
    name: x,
    dims: xDims,
    before: pads.slice(0, rank),
    after: pads.slice(rank),
    offsets: kernel.map((k, i) => range(k).map((tap) => tap * dilations[i])),
  };
  const output: Moved = {
    name: dy,
    dims: dyDims,
    before: reach.map((r, i) => r - pads[i]),
    after: reach.map((r, i) => r - pads[i + rank]),
    offsets: kernel.map((k, i) => range(k).map((tap) => (k - 1 - tap) * dilations[i])),
  };
  const moveOutput = strides.every((stride) => stride === 1) && dyDims[1] < xDims[1];
  const [moving, still] = moveOutput ? [output, input] : [input, output];
  const [channels, others] = [moving.dims[1] / group, still.dims[1] / group];
  const products =
    form === 'slices'
      ? bySlices(ops, moving, still, kernel)
      : stacked(ops, moving, still, kernel, strides, group);
  // From [group, still's channels, taps, moving's channels] to the weight's order.
  const ordered = ops.transpose(products, moveOutput ? [0, 3, 1, 2] : [0, 1, 3, 2]);
  return ops.reshape(ordered, [group * (moveOutput ? channels : others), weightDims[1], ...kernel]);
}

function weightGradientForm(dyDims: Dims, weightDims: Dims, { strides, group }: Sliding): WeightGradientForm {
  const alone = weightDims.slice(2).every((k) => k === 1);
  if (alone || dyDims.length !== 5 || group > 1 || strides.some((stride) => stride > 1)) return 'stacked';
  return sizeOf(dyDims.slice(2)) > smallVolume ? 'slices' : 'convolution';
}

/** A value that is shifted against another one. */
interface Moved {
  readonly name: string;
  /** [N, C, ...]. */
  readonly dims: Dims;
  /** Zeros to add at both ends of each axis. A negative number cuts voxels off. */
  readonly before: Dims;
  readonly after: Dims;
  /** By axis: where the part that each tap reads starts in the padded value. */
  readonly offsets: readonly Dims[];
}

/**
 * The products with many taps as channels of one value: [group, still's channels, taps, moving's channels].
 */
function stacked(ops: Ops, moving: Moved, still: Moved, kernel: Dims, strides: Dims, group: number): string {
  const [batch, channels] = moving.dims;
  const sizes = still.dims.slice(2);
  const voxels = sizeOf(sizes);
  const rows = ops.reshape(still.name, [batch, group, still.dims[1] / group, voxels]);
  const padded = ops.pad(moving.name, [0, 0, ...moving.before, 0, 0, ...moving.after]);
  const paddedSizes = moving.dims.slice(2).map((size, i) => size + moving.before[i] + moving.after[i]);
  const axes = range(kernel.length).map((i) => i + 2);
  const parts = grid(kernel).map((place) => {
    const starts = place.map((tap, i) => moving.offsets[i][tap]);
    const ends = starts.map((start, i) => start + (sizes[i] - 1) * strides[i] + 1);
    const whole = starts.every((start, i) => start === 0 && ends[i] === paddedSizes[i] && strides[i] === 1);
    const seen = whole ? padded : ops.slice(padded, axes, starts, ends, strides);
    return ops.reshape(seen, [batch, group, channels / group, voxels]);
  });
  const perProduct = Math.max(1, Math.floor(mostCopied / (batch * channels * voxels)));
  const products: string[] = [];
  for (let first = 0; first < parts.length; first += perProduct) {
    const some = parts.slice(first, first + perProduct);
    const columns = ops.transpose(ops.concat(some, 2), [0, 1, 3, 2]);
    const product = ops.sum(ops.node('MatMul', [rows, columns]), [0], false);
    products.push(ops.reshape(product, [group, still.dims[1] / group, some.length, channels / group]));
  }
  return ops.concat(products, 2);
}

/** With this many channels a matrix product has enough columns without stacking taps. */
const enoughColumns = 16;

/**
 * The products slice by slice along the first axis. Its taps are channels of the value that is not moved,
 * shifted by whole slices. The result is that of `stacked` with one group.
 */
function bySlices(ops: Ops, moving: Moved, still: Moved, [depths, heights, widths]: Dims): string {
  const [batch, channels, slices] = moving.dims;
  const [, others, stillSlices, height, width] = still.dims;
  const area = height * width;
  const sliced = (value: string) => ops.transpose(value, [0, 2, 1, 3, 4]);

  const flat = ops.reshape(sliced(still.name), [batch, stillSlices, others, area]);
  const shifted = range(depths).map((d) => {
    const before = moving.offsets[0][d] - moving.before[0];
    return ops.pad(flat, [0, before, 0, 0, 0, slices - stillSlices - before, 0, 0]);
  });
  const rows = ops.concat(shifted, 2);

  const [, top, left] = moving.before;
  const [, bottom, right] = moving.after;
  const padded = ops.pad(sliced(moving.name), [0, 0, 0, top, left, 0, 0, 0, bottom, right]);
  const flatSize = (moving.dims[3] + top + bottom) * width;
  const cut = moving.offsets[2].map((start) =>
    ops.reshape(ops.slice(padded, [4], [start], [start + width]), [batch, slices, channels, flatSize]),
  );
  const stacks = channels < enoughColumns ? [ops.concat(cut, 2)] : cut;
  const across = widths / stacks.length;
  const products = stacks.flatMap((stack) =>
    moving.offsets[1].map((row) => {
      // Rows follow one another in memory, so a shift by rows is a shift along the flat axis.
      const seen = ops.slice(stack, [3], [row * width], [row * width + area]);
      const product = ops.node('MatMul', [rows, ops.transpose(seen, [0, 1, 3, 2])]);
      return ops.reshape(ops.sum(product, [0, 1], false), [depths, others, 1, across, channels]);
    }),
  );
  // From [depths, others, stacks x heights, across, channels] to [others, depths, heights, stacks x across,
  // channels].
  const apart = ops.reshape(ops.concat(products, 2), [
    depths,
    others,
    stacks.length,
    heights,
    across,
    channels,
  ]);
  const ordered = ops.transpose(apart, [1, 0, 3, 2, 4, 5]);
  return ops.reshape(ordered, [1, others, depths * heights * widths, channels]);
}

/** The input convolved with the gradient at the output. The kernel's strides and dilations change roles. */
function byConvolution(
  ops: Ops,
  x: string,
  xDims: Dims,
  dy: string,
  dyDims: Dims,
  kernel: Dims,
  { strides, dilations, pads }: Sliding,
): string {
  const swap = [1, 0, ...range(kernel.length).map((i) => i + 2)];
  const inputs = [ops.transpose(x, swap), ops.transpose(dy, swap)];
  const found = ops.transpose(
    ops.node('Conv', inputs, { pads, strides: dilations, dilations: strides }),
    swap,
  );
  // Voxels that the strides left over at the end of an axis give taps that the kernel does not have.
  const axes = range(kernel.length).map((i) => i + 2);
  const exact = kernel.every((k, i) => {
    const size = xDims[i + 2] + pads[i] + pads[i + kernel.length];
    return size - strides[i] * (dyDims[i + 2] - 1) - 1 < k * dilations[i];
  });
  return exact
    ? found
    : ops.slice(
        found,
        axes,
        axes.map(() => 0),
        kernel,
      );
}
