import { type Ops, range } from '../ops.js';
import { type FastFilter, fastFilter } from '../slices/cookToom.js';
import { roundUp } from '../slices/filters.js';
import { nchwc } from '../slices/values.js';
import { floats, sizeOf, tensor } from '../tensor.js';
import type { WeightGradientTask } from './weightGradientNode.js';

/** The most bytes of filters that one convolution reads; more leave the processor's caches in between. */
const filterBytes = 10e6;

/** The most slices per lane that Winograd's algorithm combines. Rounding errors grow with them. */
const mostCombined = 6;

/** What copying a value costs, in products, and what copying and combining one costs; see `LayerCosts`. */
const costs = { copy: 40, combine: 67 };

/**
 * Whether `blockedWeightGradient` can compute a gradient and is worth using. A kernel of one voxel is a
 * single matrix product, which is faster; with few outputs the blocks are mostly empty and waste memory.
 */
export function blockedGradientFits(block: number, { weightDims, sliding }: WeightGradientTask): boolean {
  const [outputs, , depths] = weightDims;
  return (
    block > 1 &&
    weightDims.length === 5 &&
    sliding.group === 1 &&
    sizeOf(weightDims.slice(2)) > 1 &&
    outputs * depths >= block
  );
}

/**
 * The gradient of a 3D convolution's weight [O, I, depth, height, width] with one group, written as 2D
 * convolutions in blocks of channels (see `sliceConvs`). These run at the processor's full speed, matrix
 * products of few channels at a tenth of it.
 *
 * Each input channel becomes an image of the batch, and slices of x take the place of the channels of that
 * image. The filter is dy and as large as the image, so the output voxels are the taps of the kernel: out[i,
 * o, h, w] is the sum over slices and voxels of dy times x shifted by (h, w).
 *
 * The slices are divided among lanes, several neighbouring slices for each (see `Lanes`). A convolution takes
 * one slice of each lane at a time, so a tap along the depth is a convolution of the same slices of dy with
 * the slices of x further on, which other taps read, too. Nothing is copied for a tap.
 *
 * The gradient of all taps is a convolution of the slices of x in a lane with those of dy, so Winograd's
 * algorithm needs fewer products: `depth + slices - 1` instead of `depth * slices` for each lane.
 *
 * @param block The machine's `channelBlock`, above 1.
 * @param slices Forms of the operands as slices: of `x` planes, of `dy` blocks.
 */
export function blockedWeightGradient(
  ops: Ops,
  block: number,
  task: WeightGradientTask,
  slices: SliceForms = {},
  output?: string,
): string {
  const [outputs, inputs, depths, heights, widths] = task.weightDims;
  const lanes = lanesOf(block, task);
  const operands: Operands = {
    images: laneImages(ops, block, task, lanes, slices.x),
    filters: slices.dy
      ? blockedFilters(ops, block, task, lanes, slices.dy)
      : planarFilters(ops, block, task, lanes),
  };
  const taps = lanes.fast
    ? combinedTaps(ops, task, lanes, operands, lanes.fast)
    : singleTaps(ops, task, lanes, operands);
  const byInput = ops.reshape(taps, [inputs, depths, roundUp(outputs, block), heights, widths]);
  const known = outputs % block === 0 ? byInput : ops.slice(byInput, [2], [0], [outputs]);
  return ops.node('Transpose', [known], { perm: [2, 0, 1, 3, 4] }, output);
}

/** Operands of `blockedWeightGradient` in other forms. */
export interface SliceForms {
  /** Planes of x with zeros around them: [N * depth, I, top + height + bottom, left + width + right]. */
  readonly x?: (pads: PlanePads) => string;
  readonly dy?: string;
}

/** Rows and columns around a plane. */
export type PlanePads = readonly [top: number, left: number, bottom: number, right: number];

/**
 * How the slices of dy are divided: lane l of a case holds the slices from l * `slices` up to but not
 * including (l + 1) * `slices`. The lanes of all cases form groups of a block each; the last group may have
 * lanes that no case fills.
 */
interface Lanes {
  readonly slices: number;
  readonly perCase: number;
  readonly groups: number;
  /** The outputs, filled up to whole blocks. */
  readonly outputs: number;
  /** Winograd's algorithm for the slices of a lane. Undefined where each product is computed. */
  readonly fast?: FastFilter;
  readonly bands: readonly Band[];
}

/** Rows of a plane of dy: from `first` up to but not including `end`. */
interface Band {
  readonly first: number;
  readonly end: number;
}

interface Operands {
  /**
   * Slices of x in blocks of lanes, as images: [I, combinations * b, rows, columns]. Without combinations,
   * `at` counts slices of x from the first one that a lane reads.
   */
  readonly images: (group: number, band: Band, at: number | FastFilter) => string;
  /** Slices of dy in blocks of lanes and outputs, as filters: [combinations * O, b, rows, columns]. */
  readonly filters: (group: number, band: Band, at: number | FastFilter) => string;
}

/** The division of the slices that costs the least. */
function lanesOf(block: number, { dyDims, weightDims, sliding }: WeightGradientTask): Lanes {
  const [batch, , depth, height, width] = dyDims;
  const [, inputs, depths, heights, widths] = weightDims;
  const outputs = roundUp(weightDims[0], block);
  const product = inputs * outputs * heights * widths;
  const [stride, dilation] = [sliding.strides[0], sliding.dilations[0]];
  let best: Omit<Lanes, 'bands'> | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const slices of range(depth + 1).filter((count) => count > 0 && depth % count === 0)) {
    const perCase = depth / slices;
    const groups = Math.ceil((batch * perCase) / block);
    const read = (slices - 1) * stride + (depths - 1) * dilation + 1;
    const single = slices * depths * product + costs.copy * (read * inputs + slices * outputs);
    const products = depths + slices - 1;
    const combined = products * (product + costs.combine * (inputs + outputs));
    const canCombine =
      slices > 1 && slices <= mostCombined && depths <= 3 && depths > 1 && stride === 1 && dilation === 1;
    const isFast = canCombine && combined < single;
    const cost = groups * (isFast ? combined : single);
    if (cost >= least) continue;
    least = cost;
    best = { slices, perCase, groups, outputs, ...(isFast && { fast: fastFilter(depths, slices) }) };
  }
  if (!best) throw new Error(`A gradient of size ${dyDims} has no slices.`);
  const filters = outputs * (best.fast?.filter.length ?? 1);
  return { ...best, bands: bandsOf(height, 4 * filters * block * width) };
}

/** As few bands of equal height as make a filter fit into the caches. */
function bandsOf(height: number, bytesPerRow: number): Band[] {
  const most = Math.max(1, Math.floor(filterBytes / bytesPerRow));
  let count = Math.ceil(height / most);
  while (height % count !== 0) count++;
  const rows = height / count;
  return range(count).map((band) => ({ first: band * rows, end: (band + 1) * rows }));
}

/** All taps along the depth, [I, depth * O, heights, widths], by one convolution per tap and slice. */
function singleTaps(
  ops: Ops,
  task: WeightGradientTask,
  { slices, groups, bands, outputs }: Lanes,
  { images, filters }: Operands,
): string {
  const { weightDims, sliding } = task;
  const taps = range(weightDims[2]).map((tap) => {
    let sum = '';
    for (const band of bands) {
      for (let group = 0; group < groups; group++) {
        for (let slice = 0; slice < slices; slice++) {
          const image = images(group, band, slice * sliding.strides[0] + tap * sliding.dilations[0]);
          sum = addProducts(ops, task, band, [image, filters(group, band, slice), sum], 1);
        }
      }
    }
    return sum;
  });
  return planar(ops, ops.concat(taps, 1), weightDims[2] * outputs);
}

/** As `singleTaps`, with as many convolutions per lane as Winograd's algorithm has products. */
function combinedTaps(
  ops: Ops,
  task: WeightGradientTask,
  { groups, bands, outputs }: Lanes,
  { images, filters }: Operands,
  fast: FastFilter,
): string {
  const { weightDims } = task;
  const products = fast.filter.length;
  let sum = '';
  for (const band of bands) {
    for (let group = 0; group < groups; group++) {
      const operands = [images(group, band, fast), filters(group, band, fast), sum];
      sum = addProducts(ops, task, band, operands, products);
    }
  }
  const byProduct = ops.reshape(planar(ops, sum, products * outputs), [weightDims[1], products, -1]);
  return ops.node('MatMul', [ops.matrix(fast.outputs), byProduct]);
}

/** A convolution of images by filters as large as their planes, added to a sum. */
function addProducts(
  ops: Ops,
  { sliding, dyDims }: WeightGradientTask,
  { first, end }: Band,
  [image, filter, sum]: readonly string[],
  group: number,
): string {
  const attributes = {
    group,
    kernel_shape: [end - first, dyDims[4]],
    strides: sliding.dilations.slice(1),
    dilations: sliding.strides.slice(1),
    pads: [0, 0, 0, 0],
  };
  return ops.graph.addNode('Conv', [image, filter, ...(sum ? ['', sum] : [])], attributes, { domain: nchwc });
}

/** Values in blocks of channels as planes. */
function planar(ops: Ops, blocked: string, channels: number): string {
  return ops.graph.addNode('ReorderOutput', [blocked], { channels }, { domain: nchwc });
}

/** Images from x; see `Operands`. Each is made once. */
function laneImages(
  ops: Ops,
  block: number,
  { x, xDims, dyDims, weightDims, sliding }: WeightGradientTask,
  { slices, perCase }: Lanes,
  planesOf: SliceForms['x'],
): Operands['images'] {
  const [batch, inputs, depth] = xDims;
  const [, , , height, width] = dyDims;
  const [, , , heights, widths] = weightDims;
  const [stride, strideH, strideW] = sliding.strides;
  const [, dilationH, dilationW] = sliding.dilations;
  const [before, padH, padW] = sliding.pads;
  // As many zeros as the kernel reaches.
  const rows = (height - 1) * strideH + (heights - 1) * dilationH + 1;
  const columns = (width - 1) * strideW + (widths - 1) * dilationW + 1;
  const pads: PlanePads = [padH, padW, rows - xDims[3] - padH, columns - xDims[4] - padW];
  const [top, left, bottom, right] = pads;
  const padded = planesOf
    ? planesOf(pads)
    : ops.pad(ops.reshape(ops.transpose(x, [0, 2, 1, 3, 4]), [batch * depth, inputs, xDims[3], xDims[4]]), [
        0,
        0,
        top,
        left,
        0,
        0,
        bottom,
        right,
      ]);
  const rowsOf = ({ first, end }: Band) => [
    first * strideH,
    (end - 1) * strideH + (heights - 1) * dilationH + 1,
  ];
  const cut = remembered((band: Band) => {
    const [first, end] = rowsOf(band);
    return end - first === rows ? padded : ops.slice(padded, [2], [first], [end]);
  });
  /** The slice that a lane of a group reads, counted over all cases; undefined outside of the volume. */
  const sliceOf = (group: number, lane: number, at: number) => {
    const place = group * block + lane;
    const slice = (place % perCase) * slices * stride + at - before;
    const isInside = place < batch * perCase && slice >= 0 && slice < depth;
    return isInside ? Math.floor(place / perCase) * depth + slice : undefined;
  };

  const single = (group: number, band: Band, at: number) => {
    const [first, end] = rowsOf(band);
    const read = range(block).map((lane) => sliceOf(group, lane, at));
    const flat = ops.reshape(cut(band), [batch * depth, inputs * (end - first) * columns]);
    const gathered = ops.node('Gather', [flat, ops.ints(read.map((slice = 0) => slice))], { axis: 0 });
    const image = reorder(ops, ops.reshape(gathered, [1, block, inputs * (end - first), columns]));
    const shaped = ops.reshape(image, [inputs, block, end - first, columns]);
    return read.includes(undefined) ? masked(ops, shaped, read) : shaped;
  };
  const combined = (group: number, band: Band, { inputs: rows }: FastFilter) => {
    const [first, end] = rowsOf(band);
    const read = range(block).map((lane) => rows[0].map((_, at) => sliceOf(group, lane, at)));
    const places = read.flatMap((lane) =>
      range(inputs).flatMap((input) => lane.map((slice = 0) => slice * inputs + input)),
    );
    const flat = ops.reshape(cut(band), [batch * depth * inputs, (end - first) * columns]);
    const gathered = ops.node('Gather', [flat, ops.ints(places)], { axis: 0 });
    // Slices outside of the volume count as zeros: their factors are zero.
    const factors = read.flatMap((lane) =>
      rows.flatMap((row) => row.map((factor, at) => (lane[at] === undefined ? 0 : factor))),
    );
    const dims = [block, 1, rows.length, rows[0].length];
    const combine = ops.constant(`lanes ${[dims, factors].join(' ')}`, () => floats(dims, factors));
    const apart = ops.reshape(gathered, [block, inputs, rows[0].length, (end - first) * columns]);
    const sums = ops.node('MatMul', [combine, apart]);
    const image = reorder(ops, ops.reshape(sums, [1, block, inputs * rows.length * (end - first), columns]));
    return ops.reshape(image, [inputs, rows.length * block, end - first, columns]);
  };
  return remembered((group: number, band: Band, at: number | FastFilter) =>
    typeof at === 'number' ? single(group, band, at) : combined(group, band, at),
  );
}

/** An image with zeros in the lanes that read nothing. */
function masked(ops: Ops, image: string, read: readonly (number | undefined)[]): string {
  const factors = read.map((slice) => (slice === undefined ? 0 : 1));
  const mask = ops.constant(`mask ${factors}`, () => floats([factors.length, 1, 1, 1], factors));
  const attributes = {
    group: factors.length,
    kernel_shape: [1, 1],
    strides: [1, 1],
    dilations: [1, 1],
    pads: [0, 0, 0, 0],
  };
  return ops.graph.addNode('Conv', [image, mask], attributes, { domain: nchwc });
}

/**
 * Filters from dy as slices in blocks of channels. They are gathered voxel by voxel. Gathering slices and
 * transposing them is slower on several threads: ONNX Runtime transposes on one thread, which has to wait for
 * what the others gathered.
 */
function blockedFilters(
  ops: Ops,
  block: number,
  { dyDims }: WeightGradientTask,
  { slices, perCase }: Lanes,
  dy: string,
): Operands['filters'] {
  const [batch, outputs, depth, height, width] = dyDims;
  const [blocks, area] = [outputs / block, height * width];
  const voxels = ops.reshape(dy, [batch * depth * blocks * area, block]);
  return filtersOf(ops, block, outputs, width, slices, (group, { first, end }, own) => {
    const count = (end - first) * width;
    // Lanes that no case fills can hold anything: x is zero there.
    const starts = range(block).map((lane) => {
      const place = Math.min(group * block + lane, batch * perCase - 1);
      return place * slices * blocks * area;
    });
    const least = starts[0];
    const pattern = ops.constant(
      `voxels ${[starts.map((start) => start - least), blocks, area, count]}`,
      () => {
        const places = new Int32Array(blocks * count * block);
        let at = 0;
        for (let blockOf = 0; blockOf < blocks; blockOf++) {
          for (let voxel = 0; voxel < count; voxel++) {
            for (const start of starts) places[at++] = start - least + blockOf * area + voxel;
          }
        }
        return tensor('int32', [1, places.length], places);
      },
    );
    const origins = own.map((slice) => least + slice * blocks * area + first * width);
    const offsets = ops.constant(`origins ${origins}`, () =>
      tensor('int32', [origins.length, 1], Int32Array.from(origins)),
    );
    return ops.node('Gather', [voxels, ops.add(pattern, offsets)], { axis: 0 });
  });
}

/** Filters from dy [N, O, depth, height, width]. */
function planarFilters(
  ops: Ops,
  block: number,
  { dy, dyDims }: WeightGradientTask,
  { slices, perCase, outputs }: Lanes,
): Operands['filters'] {
  const [batch, given, depth, height, width] = dyDims;
  const bySlices = ops.reshape(ops.transpose(dy, [0, 2, 1, 3, 4]), [batch * depth, given, height, width]);
  return filtersOf(ops, block, outputs, width, slices, (group, { first, end }, own) => {
    const count = end - first;
    const cut = count === height ? bySlices : ops.slice(bySlices, [2], [first], [end]);
    const read = own.flatMap((slice) =>
      range(block).map((lane) => Math.min(group * block + lane, batch * perCase - 1) * slices + slice),
    );
    const gathered = ops.node('Gather', [cut, ops.ints(read)], { axis: 0 });
    const full = ops.pad(gathered, [0, 0, 0, 0, 0, outputs - given, 0, 0]);
    const apart = [own.length, block, outputs / block, count * width, block];
    return ops.transpose(ops.reshape(reorder(ops, full), apart), [0, 2, 3, 1, 4]);
  });
}

/** Filters from slices of dy, of which `gather` makes some in blocks: [slices, O / b, voxels, b lanes, b]. */
function filtersOf(
  ops: Ops,
  block: number,
  outputs: number,
  width: number,
  slices: number,
  gather: (group: number, band: Band, own: readonly number[]) => string,
): Operands['filters'] {
  return remembered((group: number, band: Band, at: number | FastFilter) => {
    const size = [block, band.end - band.first, width];
    if (typeof at === 'number') return ops.reshape(gather(group, band, [at]), [outputs, ...size]);
    const all = ops.reshape(gather(group, band, range(slices)), [slices, -1]);
    const sums = ops.node('MatMul', [ops.matrix(at.filter), all]);
    return ops.reshape(sums, [at.filter.length * outputs, ...size]);
  });
}

function reorder(ops: Ops, planes: string): string {
  return ops.graph.addNode('ReorderInput', [planes], {}, { domain: nchwc });
}

/** A function that makes the same value for the same arguments once. */
function remembered<T extends readonly unknown[]>(make: (...given: T) => string): (...given: T) => string {
  const made = new Map<string, string>();
  return (...given) => {
    const key = JSON.stringify(given);
    const name = made.get(key) ?? make(...given);
    made.set(key, name);
    return name;
  };
}
