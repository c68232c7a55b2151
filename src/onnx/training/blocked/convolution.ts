import type { Dims } from '../../gradients/rule.js';
import type { Sliding } from '../../gradients/sliding.js';
import { range } from '../../ops.js';
import type { Slices } from '../../slices/values.js';
import { type Tensor, tensor } from '../../tensor.js';
import type { BlockedValues } from './blockedValues.js';

/** A convolution or a transposed one, with a computed weight. */
export interface BlockedConv {
  readonly from: Slices;
  /** [O, I, ...kernel] of a convolution from I to O channels, or of the transpose of one. */
  readonly weight: string;
  readonly weightDims: Dims;
  /** [output channels]. */
  readonly bias?: string;
  readonly sliding: Sliding;
  /** Size of the output: [N, C, depth, height, width]. */
  readonly dims: Dims;
}

/** A 3D convolution as one 2D convolution for each tap of the depth, each added to the one before it. */
export function blockedConv(values: BlockedValues, conv: BlockedConv): string {
  const { weightDims, sliding, dims } = conv;
  const [depths, ...plane] = weightDims.slice(2);
  const filters = packedFilters(values, conv, false, range(plane[0] * plane[1]), plane);
  const taps = range(depths).map((d) => ({
    filter: filters[d],
    start: d * sliding.dilations[0] - sliding.pads[0],
  }));
  return addedTaps(values, conv, taps, dims[2], {
    kernel_shape: plane,
    strides: sliding.strides.slice(1),
    dilations: sliding.dilations.slice(1),
    pads: [1, 2, 4, 5].map((i) => sliding.pads[i]),
  });
}

/**
 * The transpose of a convolution. Each phase of the output, one per place within a stride, is a convolution
 * with the taps that fall on it. Undefined if a phase has no taps, or the sizes are not multiples of the
 * stride.
 */
export function blockedConvTransposed(values: BlockedValues, conv: BlockedConv): string | undefined {
  const { from, weightDims, sliding, dims } = conv;
  const { strides, dilations, pads } = sliding;
  const kernel = weightDims.slice(2);
  const fits = kernel.every((_, i) => dims[i + 2] === from.size[i] * strides[i] && dilations[i] === 1);
  if (!fits) return undefined;
  const axes = kernel.map((k, i) =>
    range(strides[i]).map((phase) => phaseTaps(phase, k, pads[i], strides[i])),
  );
  if (axes.some((phases) => phases.some((taps) => taps.length === 0 || taps[0].offset > 0))) return undefined;
  if (axes.some((phases) => phases.some((taps) => taps[taps.length - 1].offset < 0))) return undefined;
  const [, outer, inner] = axes;
  const planes = outer.flatMap((rows) =>
    inner.map((columns) => {
      const size = [rows.length, columns.length];
      const places = rows.flatMap(({ place }) => columns.map((column) => place * kernel[2] + column.place));
      return { rows, columns, size, filters: packedFilters(values, conv, true, places, size) };
    }),
  );
  const phases = axes[0].flatMap((depths) =>
    planes.map(({ rows, columns, size, filters }) => {
      const taps = depths.map(({ offset, place }) => ({ filter: filters[place], start: offset }));
      return addedTaps(values, { ...conv, sliding: { ...sliding, strides: [1, 1, 1] } }, taps, from.size[0], {
        kernel_shape: size,
        strides: [1, 1],
        dilations: [1, 1],
        pads: [
          -rows[0].offset,
          -columns[0].offset,
          rows[rows.length - 1].offset,
          columns[columns.length - 1].offset,
        ],
      });
    }),
  );
  return phases.length === 1 ? phases[0] : interleaved(values, phases, conv);
}

interface PhaseTap {
  /** Which input the tap reads: this many after the one with the output's number. */
  readonly offset: number;
  /** Its place in the kernel. */
  readonly place: number;
}

/** The taps that fall on the outputs stride * q + phase, by growing offset. */
function phaseTaps(phase: number, kernel: number, pad: number, stride: number): PhaseTap[] {
  return range(kernel)
    .map((place) => ({ place, offset: (phase + pad - place) / stride }))
    .filter(({ offset }) => Number.isInteger(offset))
    .reverse();
}

/** From phases [N * depth, C, height, width] to the slices of the whole output. */
function interleaved({ ops, block }: BlockedValues, phases: readonly string[], conv: BlockedConv): string {
  const { from, sliding, dims } = conv;
  const [batch, channels, depth, height, width] = dims;
  const blocks = channels / block;
  const split = [...sliding.strides, batch * from.size[0], blocks, from.size[1], from.size[2], block];
  const apart = ops.reshape(ops.concat(phases, 0), split);
  const moved = ops.transpose(apart, [3, 0, 4, 5, 1, 6, 2, 7]);
  return ops.reshape(moved, [batch * depth, channels, height, width]);
}

interface DepthTap {
  readonly filter: string;
  /** The slice that the first output slice reads. */
  readonly start: number;
}

/** The convolutions of all taps of the depth, added up. */
function addedTaps(
  values: BlockedValues,
  { from, bias = '', sliding }: Pick<BlockedConv, 'from' | 'bias' | 'sliding'>,
  taps: readonly DepthTap[],
  count: number,
  attributes: Readonly<Record<string, readonly number[]>>,
): string {
  let sum = '';
  for (const { filter, start } of taps) {
    const { name } = values.writer.pick(from, start, sliding.strides[0], count);
    sum = values.conv([name, filter, sum === '' ? bias : '', sum], attributes);
  }
  return sum;
}

/**
 * The filters of the taps of the depth, each with some places of the kernel's planes. In the order of ONNX
 * Runtime's blocked convolutions: [outputs / b, inputs / b, places, b inputs, b outputs], or, where the
 * inputs are not in blocks, [outputs / b, inputs, places, b outputs]. They are gathered from the weight with
 * its outputs in blocks: ONNX Runtime gathers on all threads and transposes on one.
 */
function packedFilters(
  values: BlockedValues,
  { weight, weightDims, from }: BlockedConv,
  transposed: boolean,
  places: readonly number[],
  [height, width]: Dims,
): string[] {
  const { ops, block, writer } = values;
  const [first, second, depths, ...plane] = weightDims;
  const [outputs, inputs] = transposed ? [second, first] : [first, second];
  const [blocks, area] = [outputs / block, plane[0] * plane[1]];
  const taps = depths * area;
  const inner = from.layout === 'planar' ? 1 : block;
  // [1, inputs * blocks * taps, b] of a transposed convolution, else [blocks, inputs * taps, b].
  const rows = writer.once(`rows ${[weight, transposed]}`, () => {
    const [images, kept] = transposed ? [inputs, taps] : [1, inputs * taps];
    const blocked = values.node('ReorderInput', [ops.reshape(weight, [images, outputs, 1, kept])]);
    return ops.reshape(blocked, [transposed ? 1 : blocks, -1, block]);
  });
  return range(depths).map((depth) =>
    writer.once(`filter ${[weight, transposed, inner, depth, places]}`, () => {
      const gathered = transposed ? blocks : 1;
      const taken = places.map((place) => depth * area + place);
      const key = `filter rows ${[gathered, inputs, inner, taps, taken]}`;
      const order = ops.constant(key, () => filterRows([gathered, inputs, taps], inner, taken));
      const filter = ops.node('Gather', [rows, order], { axis: 1 });
      return ops.reshape(filter, [outputs, inputs, height, width]);
    }),
  );
}

/** The places of rows [inputs, blocks, taps] in the order [blocks, inputs / inner, taken taps, inner]. */
function filterRows([blocks, inputs, taps]: Dims, inner: number, taken: readonly number[]): Tensor {
  const places = new Int32Array(blocks * inputs * taken.length);
  let at = 0;
  for (let block = 0; block < blocks; block++) {
    for (let first = 0; first < inputs; first += inner) {
      for (const tap of taken) {
        for (let input = first; input < first + inner; input++)
          places[at++] = (input * blocks + block) * taps + tap;
      }
    }
  }
  return tensor('int32', [places.length], places);
}
