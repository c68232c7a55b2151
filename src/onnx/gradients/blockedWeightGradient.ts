import { type Ops, range } from '../ops.js';
import { roundUp } from '../slices/filters.js';
import { nchwc } from '../slices/values.js';
import { floats, sizeOf, tensor } from '../tensor.js';
import type { WeightGradientTask } from './weightGradientNode.js';

/** The largest filter, in bytes, that stays in a processor's caches during a convolution. */
const filterBytes = 3.6e6;

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
 * Each input channel becomes an image of the batch. The channels of that image are the slices along the
 * depth, those of all cases one after another. The filter is dy and as large as the image, so the output
 * voxels are the taps of the kernel: out[i, o, h, w] is the sum over slices and voxels of dy times x shifted
 * by (h, w). A tap along the depth shifts dy by slices. All taps that read the same slices of x (every slice,
 * or every second one with stride 2) are output channels of one convolution. The filter is applied in parts
 * that fit into the caches, and each part adds to the sum of those before it.
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
  const { xDims, weightDims, sliding } = task;
  const [outputs, inputs, depths, heights, widths] = weightDims;
  const [stride] = sliding.strides;
  const offsets = depthOffsets(task);
  const order: number[] = [];
  const parts: string[] = [];
  const filters = slices.dy ? blockedFilters(ops, block, task, slices.dy) : planarFilters(ops, block, task);
  for (let rest = 0; rest < stride; rest++) {
    const taps = range(depths).filter((tap) => (offsets[tap] - rest) % stride === 0);
    if (taps.length === 0) continue;
    const count = Math.ceil((xDims[2] - rest) / stride);
    const shifts = taps.map((tap) => (offsets[tap] - rest) / stride);
    order.push(...taps);
    parts.push(slicesGradient(ops, block, task, { rest, slices: count, shifts }, slices.x, filters));
  }
  const all = ops.reshape(ops.concat(parts, 1), [inputs, depths, outputs, heights, widths]);
  const places = range(depths).map((tap) => order.indexOf(tap));
  const sorted = order.every((tap, i) => tap === i)
    ? all
    : ops.node('Gather', [all, ops.ints(places)], { axis: 1 });
  return ops.node('Transpose', [sorted], { perm: [2, 0, 1, 3, 4] }, output);
}

/** For each tap along the depth, how many slices further than the output it reads, with stride 1. */
function depthOffsets({ weightDims, sliding }: WeightGradientTask): number[] {
  return range(weightDims[2]).map((tap) => tap * sliding.dilations[0] - sliding.pads[0]);
}

/** Operands of `blockedWeightGradient` in other forms. */
export interface SliceForms {
  /** Planes of x with zeros around them: [N * depth, I, top + height + bottom, left + width + right]. */
  readonly x?: (pads: PlanePads) => string;
  readonly dy?: string;
}

/** Rows and columns around a plane. */
export type PlanePads = readonly [top: number, left: number, bottom: number, right: number];

/** Every stride-th slice of x from `rest` on, and by how many slices dy is shifted for each tap. */
interface SliceClass {
  readonly rest: number;
  readonly slices: number;
  readonly shifts: readonly number[];
}

/** Rows of a plane of dy: from `first` up to but not including `end`. */
interface Band {
  readonly first: number;
  readonly end: number;
}

/**
 * The filters of a band of rows, one for each block of slices of x:
 * [taps * O / b, voxels of the band, b slices, b outputs].
 */
type Filters = (slices: SliceClass, band: Band) => (part: number) => string;

/** The gradient [I, taps * O, heights, widths] of the taps along the depth that read the same slices of x. */
function slicesGradient(
  ops: Ops,
  block: number,
  { x, xDims, dyDims, weightDims, sliding }: WeightGradientTask,
  slices: SliceClass,
  planes: SliceForms['x'],
  filtersOf: Filters,
): string {
  const [batch, inputs, depth] = xDims;
  const [, outputs, , height, width] = dyDims;
  const [, , , heights, widths] = weightDims;
  const [stride, strideH, strideW] = sliding.strides;
  const [, dilationH, dilationW] = sliding.dilations;
  const [, padH, padW] = sliding.pads;
  const count = batch * slices.slices;
  const parts = Math.ceil(count / block);
  const filters = roundUp(slices.shifts.length * outputs, block);

  // x as [slices / b, I, height, width, b], padded with as many zeros as the kernel reaches.
  const rows = (height - 1) * strideH + (heights - 1) * dilationH + 1;
  const columns = (width - 1) * strideW + (widths - 1) * dilationW + 1;
  const pads: PlanePads = [padH, padW, rows - xDims[3] - padH, columns - xDims[4] - padW];
  const [top, left, bottom, right] = pads;
  const padded = planes
    ? ops.reshape(planes(pads), [batch, depth, inputs, rows, columns])
    : ops.pad(ops.transpose(x, [0, 2, 1, 3, 4]), [0, 0, 0, top, left, 0, 0, 0, bottom, right]);
  const picked = stride === 1 ? padded : ops.slice(padded, [1], [slices.rest], [depth], [stride]);
  const images = ops.reshape(picked, [1, count, inputs * rows, columns]);
  const full = ops.pad(images, [0, 0, 0, 0, 0, parts * block - count, 0, 0]);
  const blockedImages = ops.reshape(reorder(ops, full), [parts, inputs, rows, columns * block]);

  // Bands are added up at the end. In a chain, ONNX Runtime would hold the filters of all bands at once.
  const sums = bandsOf(height, width, 4 * filters * block).map((band) => {
    let sum = '';
    const filterOf = filtersOf(slices, band);
    const first = band.first * strideH;
    const end = (band.end - 1) * strideH + (heights - 1) * dilationH + 1;
    for (let part = 0; part < parts; part++) {
      const image = ops.slice(blockedImages, [0, 2], [part, first], [part + 1, end]);
      const size = [band.end - band.first, width];
      const operands = [
        ops.reshape(image, [inputs, block, end - first, columns]),
        ops.reshape(filterOf(part), [filters, block, ...size]),
        ...(sum ? ['', sum] : []),
      ];
      const attributes = {
        kernel_shape: size,
        strides: [dilationH, dilationW],
        dilations: [strideH, strideW],
        pads: [0, 0, 0, 0],
      };
      sum = ops.graph.addNode('Conv', operands, attributes, { domain: nchwc });
    }
    return sum;
  });
  const channels = slices.shifts.length * outputs;
  return ops.graph.addNode('ReorderOutput', [ops.total(sums)], { channels }, { domain: nchwc });
}

/** As few bands of equal height as make a filter fit into the caches. */
function bandsOf(height: number, width: number, bytesPerVoxel: number): Band[] {
  const most = Math.max(1, Math.floor(filterBytes / (bytesPerVoxel * width)));
  let count = Math.ceil(height / most);
  while (height % count !== 0) count++;
  const rows = height / count;
  return range(count).map((band) => ({ first: band * rows, end: (band + 1) * rows }));
}

/**
 * Filters from dy as slices in blocks of channels. A filter is gathered voxel by voxel. Gathering slices and
 * transposing them is slower on several threads: ONNX Runtime transposes on one thread, which has to wait for
 * what the others gathered.
 */
function blockedFilters(ops: Ops, block: number, task: WeightGradientTask, dy: string): Filters {
  const { xDims, dyDims, sliding } = task;
  const [batch, outputs, depth, height, width] = dyDims;
  const [blocks, area] = [outputs / block, height * width];
  // Slices of zeros around each volume, for taps that read outside.
  const [stride] = sliding.strides;
  const offsets = depthOffsets(task);
  const before = Math.max(0, Math.floor(Math.max(...offsets) / stride));
  const after = Math.max(0, Math.floor((xDims[2] - 1 - Math.min(...offsets)) / stride) - (depth - 1));
  const slab = before + depth + after;
  const zeros = (count: number) => {
    const dims = [batch, count, outputs * area];
    const make = () => floats(dims, new Float32Array(sizeOf(dims)));
    return count > 0 ? [ops.constant(`zeros ${dims}`, make)] : [];
  };
  const rows = ops.reshape(dy, [batch, depth, outputs * area]);
  const padded = ops.concat([...zeros(before), rows, ...zeros(after)], 1);
  const voxels = ops.reshape(padded, [batch * slab * blocks * area, block]);
  return ({ slices, shifts }, { first, end }) => {
    const count = (end - first) * width;
    return (part) => {
      const starts = shifts.flatMap((shift) =>
        range(blocks).flatMap((blockOf) =>
          range(block).map((lane) => {
            // Places behind the last slice can hold anything: x is zero there.
            const place = Math.min(part * block + lane, batch * slices - 1);
            const slice = Math.floor(place / slices) * slab + before + (place % slices) - shift;
            return (slice * blocks + blockOf) * area;
          }),
        ),
      );
      const least = Math.min(...starts);
      const pattern = ops.constant(`voxels ${[starts.map((start) => start - least), count]}`, () => {
        const places = new Int32Array(starts.length * count);
        for (const [i, start] of starts.entries()) {
          const to = Math.floor(i / block) * block * count + (i % block);
          for (let voxel = 0; voxel < count; voxel++) places[to + voxel * block] = start - least + voxel;
        }
        return tensor('int32', [places.length], places);
      });
      const origin = least + first * width;
      const offset = ops.constant(`origin ${origin}`, () => tensor('int32', [], Int32Array.of(origin)));
      return ops.node('Gather', [voxels, ops.add(pattern, offset)], { axis: 0 });
    };
  };
}

/** Filters from dy [N, O, depth, height, width]. */
function planarFilters(ops: Ops, block: number, { dy, dyDims }: WeightGradientTask): Filters {
  const [batch, outputs, depth, height, width] = dyDims;
  const bySlices = ops.transpose(dy, [0, 2, 1, 3, 4]);
  return ({ slices, shifts }, { first, end }) => {
    const count = end - first;
    const parts = Math.ceil((batch * slices) / block);
    const filters = roundUp(shifts.length * outputs, block);
    // A band of dy as [slices, taps * O, count, width], shifted by slices for each tap.
    const cut = count === height ? bySlices : ops.slice(bySlices, [3], [first], [end]);
    const flat = ops.reshape(cut, [batch, depth, outputs * count * width]);
    const shifted = shifts.map((shift) => ops.pad(flat, [0, shift, 0, 0, slices - shift - depth, 0]));
    const channels = shifts.length * outputs;
    const seen = ops.reshape(ops.concat(shifted, 2), [batch * slices, channels, count, width]);
    const fill = [parts * block - batch * slices, filters - channels];
    const full = ops.pad(seen, [0, 0, 0, 0, ...fill, 0, 0]);
    // From [slices / b, b, filters / b, voxels, b] to the order of a filter, one block of slices after
    // another.
    const apart = ops.reshape(reorder(ops, full), [parts, block, filters / block, count * width, block]);
    const filter = ops.transpose(apart, [0, 2, 3, 1, 4]);
    return (part) => ops.slice(filter, [0], [part], [part + 1]);
  };
}

function reorder(ops: Ops, planar: string): string {
  return ops.graph.addNode('ReorderInput', [planar], {}, { domain: nchwc });
}
