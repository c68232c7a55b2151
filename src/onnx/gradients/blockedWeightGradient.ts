import { type Ops, range } from '../ops.js';
import { roundUp } from '../slices/filters.js';
import { nchwc } from '../slices/values.js';
import { sizeOf } from '../tensor.js';
import type { Dims } from './rule.js';
import type { Sliding } from './sliding.js';

/** The largest filter, in bytes, that stays in a processor's caches during a convolution. */
const filterBytes = 1.8e6;

/** A convolution's input `x` and the gradient `dy` at its output, both [N, C, depth, height, width]. */
export interface WeightGradientTask {
  readonly x: string;
  readonly xDims: Dims;
  readonly dy: string;
  readonly dyDims: Dims;
  readonly weightDims: Dims;
  readonly sliding: Sliding;
}

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
 */
export function blockedWeightGradient(ops: Ops, block: number, task: WeightGradientTask): string {
  const { xDims, weightDims, sliding } = task;
  const [outputs, inputs, depths, heights, widths] = weightDims;
  const [stride] = sliding.strides;
  const offsets = range(depths).map((tap) => tap * sliding.dilations[0] - sliding.pads[0]);
  const order: number[] = [];
  const parts: string[] = [];
  for (let rest = 0; rest < stride; rest++) {
    const taps = range(depths).filter((tap) => (offsets[tap] - rest) % stride === 0);
    if (taps.length === 0) continue;
    const slices = Math.ceil((xDims[2] - rest) / stride);
    const shifts = taps.map((tap) => (offsets[tap] - rest) / stride);
    order.push(...taps);
    parts.push(slicesGradient(ops, block, task, { rest, slices, shifts }));
  }
  const all = ops.reshape(ops.concat(parts, 1), [inputs, depths, outputs, heights, widths]);
  const places = range(depths).map((tap) => order.indexOf(tap));
  const sorted = order.every((tap, i) => tap === i)
    ? all
    : ops.node('Gather', [all, ops.ints(places)], { axis: 1 });
  return ops.transpose(sorted, [2, 0, 1, 3, 4]);
}

/** Every stride-th slice of x from `rest` on, and by how many slices dy is shifted for each tap. */
interface SliceClass {
  readonly rest: number;
  readonly slices: number;
  readonly shifts: readonly number[];
}

/** The gradient [I, taps * O, heights, widths] of the taps along the depth that read the same slices of x. */
function slicesGradient(
  ops: Ops,
  block: number,
  { x, xDims, dy, dyDims, weightDims, sliding }: WeightGradientTask,
  { rest, slices, shifts }: SliceClass,
): string {
  const [batch, inputs, depth] = xDims;
  const [, outputs, dyDepth, height, width] = dyDims;
  const [, , , heights, widths] = weightDims;
  const [stride, strideH, strideW] = sliding.strides;
  const [, dilationH, dilationW] = sliding.dilations;
  const [, padH, padW] = sliding.pads;
  const channels = roundUp(batch * slices, block);
  const filters = roundUp(shifts.length * outputs, block);
  const fill = channels - batch * slices;

  // x as [I, slices, height, width] in blocks of slices, padded with as many zeros as the kernel reaches.
  const rows = (height - 1) * strideH + (heights - 1) * dilationH + 1;
  const columns = (width - 1) * strideW + (widths - 1) * dilationW + 1;
  const picked = stride === 1 ? x : ops.slice(x, [2], [rest], [depth], [stride]);
  const padded = ops.pad(picked, [
    0,
    0,
    0,
    padH,
    padW,
    0,
    0,
    0,
    rows - xDims[3] - padH,
    columns - xDims[4] - padW,
  ]);
  const images = ops.reshape(ops.transpose(padded, [1, 0, 2, 3, 4]), [inputs, batch * slices, rows, columns]);
  const blockedImages = reorder(ops, ops.pad(images, [0, 0, 0, 0, 0, fill, 0, 0]));

  const bySlices = ops.transpose(dy, [0, 2, 1, 3, 4]);
  const most = Math.max(1, Math.floor(filterBytes / (4 * filters * block * width)));
  const bands = Math.ceil(height / most);
  // Bands are added up at the end. In a chain, ONNX Runtime would hold the filters of all bands at once.
  const sums = range(bands).map((band) => {
    let sum = '';
    const [first, end] = [band, band + 1].map((n) => Math.floor((n * height) / bands));
    const count = end - first;
    // A band of dy as [slices, taps * O, count, width], shifted by slices for each tap.
    const cut = bands === 1 ? bySlices : ops.slice(bySlices, [3], [first], [end]);
    const flat = ops.reshape(cut, [batch, dyDepth, outputs * count * width]);
    const shifted = shifts.map((shift) => ops.pad(flat, [0, shift, 0, 0, slices - shift - dyDepth, 0]));
    const seen = ops.reshape(ops.concat(shifted, 2), [batch * slices, shifts.length * outputs, count, width]);
    const full = ops.pad(seen, [0, 0, 0, 0, fill, filters - shifts.length * outputs, 0, 0]);
    // From [slices / b, b, filters / b, voxels, b] to the order of a filter, one block of slices after
    // another.
    const apart = ops.reshape(reorder(ops, full), [
      channels / block,
      block,
      filters / block,
      count * width,
      block,
    ]);
    const filter = ops.transpose(apart, [0, 2, 3, 1, 4]);
    const [top, bottom] = [first * strideH, (end - 1) * strideH + (heights - 1) * dilationH + 1];
    for (let part = 0; part < channels / block; part++) {
      const image = ops.slice(
        ops.reshape(blockedImages, [inputs, channels / block, rows, columns * block]),
        [1, 2],
        [part, top],
        [part + 1, bottom],
      );
      const inputsOfPart = [
        ops.reshape(image, [inputs, block, bottom - top, columns]),
        ops.reshape(ops.slice(filter, [0], [part], [part + 1]), [filters, block, count, width]),
        ...(sum ? ['', sum] : []),
      ];
      sum = ops.graph.addNode(
        'Conv',
        inputsOfPart,
        {
          kernel_shape: [count, width],
          strides: [dilationH, dilationW],
          dilations: [strideH, strideW],
          pads: [0, 0, 0, 0],
        },
        { domain: nchwc },
      );
    }
    return sum;
  });
  return ops.graph.addNode(
    'ReorderOutput',
    [ops.total(sums)],
    { channels: shifts.length * outputs },
    { domain: nchwc },
  );
}

function reorder(ops: Ops, planar: string): string {
  return ops.graph.addNode('ReorderInput', [planar], {}, { domain: nchwc });
}
