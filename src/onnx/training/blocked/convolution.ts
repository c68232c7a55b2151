import type { Dims } from '../../gradients/rule.js';
import type { Sliding } from '../../gradients/sliding.js';
import { range } from '../../ops.js';
import { biasShares, fastFilter } from '../../slices/cookToom.js';
import type { Slices } from '../../slices/values.js';
import { cheapestTile, tileInputs } from '../../slices/winograd.js';
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
  return addedTaps(values, conv, taps, [sliding.strides[0], dims[2]], {
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
      return addedTaps(values, conv, taps, [1, from.size[0]], {
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

/**
 * The convolutions of all taps of the depth, added up, or fewer by Winograd's algorithm.
 *
 * @param steps From one output slice's input to the next one's, and the number of output slices.
 */
function addedTaps(
  values: BlockedValues,
  conv: BlockedConv,
  taps: readonly DepthTap[],
  [stride, count]: readonly [number, number],
  plane: PlaneAttributes,
): string {
  const { from, bias = '' } = conv;
  const m = tileOf(values, conv, taps, [stride, count], plane);
  if (m) return combinedTaps(values, conv, taps, [stride, count], plane, m);
  let sum = '';
  for (const { filter, start } of taps) {
    const { name } = values.writer.pick(from, start, stride, count);
    sum = values.conv([name, filter, sum === '' ? bias : '', sum], plane);
  }
  return sum;
}

/** Attributes of the convolutions within slices. */
type PlaneAttributes = Readonly<Record<'kernel_shape' | 'strides' | 'dilations' | 'pads', readonly number[]>>;

/** The size of a plane of the output. */
function planeSize({ size: [, ...plane] }: Slices, attributes: PlaneAttributes): [number, number] {
  const { kernel_shape: kernel, strides, dilations, pads } = attributes;
  const [rows, columns] = plane.map((n, i) =>
    Math.floor((n + pads[i] + pads[i + 2] - dilations[i] * (kernel[i] - 1) - 1) / strides[i] + 1),
  );
  return [rows, columns];
}

/** The output slices per tile of Winograd's algorithm. Undefined where it does not apply or costs more. */
function tileOf(
  { writer }: BlockedValues,
  { from, dims }: BlockedConv,
  taps: readonly DepthTap[],
  [stride, count]: readonly [number, number],
  plane: PlaneAttributes,
): number | undefined {
  if (taps.some(({ start }, i) => start !== taps[0].start + i)) return undefined;
  const [height, width] = plane.kernel_shape;
  const kernel = { outputs: dims[1], inputs: from.channels, size: [taps.length, height, width] } as const;
  const conv = { kernel, strides: [stride, ...plane.strides], dilations: [1] };
  return cheapestTile(writer, [from], conv, [count, ...planeSize(from, plane)])?.m;
}

/** `winogradConv` with computed filters. */
function combinedTaps(
  values: BlockedValues,
  { from, bias, dims }: BlockedConv,
  taps: readonly DepthTap[],
  [stride, count]: readonly [number, number],
  plane: PlaneAttributes,
  m: number,
): string {
  const { ops, writer } = values;
  const fast = fastFilter(m, taps.length, stride);
  const products = fast.filter.length;
  const [outputs, inputs] = [dims[1], from.channels];
  const filters = taps.map(({ filter }) => ops.reshape(filter, [1, -1]));
  const combined = ops.node('MatMul', [ops.matrix(fast.filter), ops.concat(filters, 0)]);
  const filter = ops.reshape(combined, [products * outputs, inputs, ...plane.kernel_shape]);
  const tiles = Math.ceil(count / m);
  const images = tileInputs(writer, from, {
    first: 0,
    count: tiles,
    step: m * stride,
    before: -taps[0].start,
    matrix: fast.inputs,
  });
  const biases = bias
    ? ops.reshape(ops.mul(ops.matrix(biasShares(fast).map((share) => [share])), bias), [products * outputs])
    : '';
  const sums = values.conv([images, filter, biases], { ...plane, group: products });
  const apart = ops.reshape(sums, [dims[0], tiles, products, -1]);
  const slices = ops.reshape(ops.node('MatMul', [ops.matrix(fast.outputs), apart]), [dims[0], tiles * m, -1]);
  const inside = tiles * m === count ? slices : writer.cutRows(slices, 0, count);
  const [rows, columns] = planeSize(from, plane);
  return ops.reshape(inside, [dims[0] * count, outputs, rows, columns]);
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
