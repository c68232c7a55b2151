import type { WeightGradientTask } from '../../gradients/weightGradientNode.js';
import { range } from '../../ops.js';
import { cutSlabs, type LaneFilters, type LaneShape, laneConv, lanesFit } from '../../slices/lanes.js';
import type { Slices } from '../../slices/values.js';
import { sizeOf } from '../../tensor.js';
import type { BlockedValues } from './blockedValues.js';
import type { BlockedConv } from './convolution.js';

/**
 * A convolution of few channels, or the transpose of one with stride 1; see `laneConv`. Returns the planes
 * [N * depth, C, height, width], or undefined if it does not apply.
 */
export function laneConvolution(
  values: BlockedValues,
  conv: BlockedConv,
  transposed: boolean,
): string | undefined {
  const { from, weightDims, sliding, dims } = conv;
  const { strides, dilations } = sliding;
  const [depths, height, width] = weightDims.slice(2);
  const reach = [depths, height, width].map((k, i) => (k - 1) * dilations[i]);
  const pads = transposed ? sliding.pads.map((pad, i) => reach[i % 3] - pad) : sliding.pads;
  const [outputs, inputs] = transposed ? [weightDims[1], weightDims[0]] : weightDims;
  const shape: LaneShape = {
    kernel: { outputs, inputs, size: [depths, height, width] },
    strides,
    dilations,
    pads,
    activation: {},
  };
  const size = [dims[2], dims[3], dims[4]] as const;
  const isPlain = pads.every((pad) => pad >= 0) && (!transposed || strides.every((stride) => stride === 1));
  if (!isPlain || !lanesFit(values.writer, [from], shape, size)) return undefined;
  return laneConv(values.writer, from, shape, size, computedLanes(values, conv, transposed)).name;
}

function computedLanes(
  { ops, block }: BlockedValues,
  { weight, weightDims, bias }: BlockedConv,
  transposed: boolean,
): LaneFilters {
  const [first, second, depths, height, width] = weightDims;
  const [count, area] = [first * second * depths, height * width];
  const rows = ops.reshape(weight, [count, area]);
  const places = ops.ints(range(area).reverse());
  const planes = transposed ? ops.node('Gather', [rows, places], { axis: 1 }) : rows;
  const lanes = ops.expand(ops.reshape(planes, [count, area, 1]), [count, area, block]);
  return {
    filter: (output, input, tap) => {
      const [a, b, d] = transposed ? [input, output, depths - 1 - tap] : [output, input, tap];
      const place = (a * second + b) * depths + d;
      return ops.reshape(ops.slice(lanes, [0], [place], [place + 1]), [block, 1, height, width]);
    },
    bias: (output) => (bias ? ops.expand(ops.slice(bias, [0], [output], [output + 1]), [block]) : ''),
  };
}

/** Whether `laneWeightGradient` can compute a gradient: stride 1, few channels, and a depth in whole blocks. */
export function laneGradientFits(
  values: BlockedValues,
  { xDims, dyDims, sliding, weightDims }: WeightGradientTask,
): boolean {
  const { strides, dilations, pads, group } = sliding;
  if (weightDims.length !== 5 || group !== 1 || dyDims[2] !== xDims[2]) return false;
  if ([...strides, ...dilations].some((step) => step !== 1) || pads.some((pad) => pad < 0)) return false;
  const [depth] = dyDims.slice(2);
  const size = [depth, dyDims[3], dyDims[4]] as const;
  const input: Slices = { name: '', layout: 'planar', channels: xDims[1], size };
  const kernel = { outputs: weightDims[0], inputs: weightDims[1], size };
  return (
    sizeOf(weightDims.slice(2)) > 1 && lanesFit(values.writer, [input], { kernel, strides, dilations }, size)
  );
}

/**
 * The gradient of the weight of a convolution of few channels. The blocks hold slices instead of channels, as
 * in `laneConv`. For each output, input and depth tap, a depthwise convolution of the input with the whole
 * plane of the gradient gives the taps within a plane, and the slices are added up.
 */
export function laneWeightGradient(
  values: BlockedValues,
  { x, xDims, dy, dyDims, weightDims, sliding }: WeightGradientTask,
  output: string,
): void {
  const { ops, writer, block } = values;
  const [batch, , depth, height, width] = dyDims;
  const [outputs, inputs, depths, heights, widths] = weightDims;
  const { pads } = sliding;
  const slab = depth / block;
  const planes = batch * depth;
  const channelsOf = (value: string, count: number, taps: number, around: readonly [number, number]) => {
    const slices = values.slices(value);
    if (!slices) throw new Error(`The value ${value} has no slices.`);
    return range(count).map((channel) =>
      cutSlabs(writer, slices, channel, { slab: slab + taps - 1, step: slab, pads: around }),
    );
  };
  const filters = channelsOf(dy, outputs, 1, [0, 0]).map(({ name }) =>
    ops.reshape(name, [planes, 1, height, width]),
  );
  const columns = width + widths - 1;
  const images = channelsOf(x, inputs, depths, [pads[0], pads[3]]).map((slabs) => {
    // Columns of zeros: ONNX Runtime computes outputs next to its own padding one by one.
    const rows = ops.reshape(slabs.name, [batch * (slab + depths - 1), xDims[3], xDims[4] * block]);
    const padded = ops.pad(rows, [0, 0, pads[2] * block, 0, 0, (columns - xDims[4] - pads[2]) * block]);
    const size = [slab + depths - 1, xDims[3], columns] as const;
    return { ...slabs, size, name: ops.reshape(padded, [batch * size[0], block, xDims[3], columns]) };
  });
  const sums = images.map((image) =>
    range(depths).map((tap) => {
      const seen = writer.pick(image, tap, 1, slab).name;
      const planesSeen = ops.reshape(seen, [1, planes, xDims[3], columns]);
      return filters.map((filter) => {
        const products = values.conv([planesSeen, filter], {
          group: planes,
          kernel_shape: [height, width],
          strides: [1, 1],
          dilations: [1, 1],
          pads: [pads[1], 0, pads[4], 0],
        });
        return ops.sum(ops.reshape(products, [slab * batch, heights * widths, block]), [0, 2], false);
      });
    }),
  );
  const ordered = range(outputs).flatMap((o) => sums.flatMap((taps) => taps.map((byOutput) => byOutput[o])));
  ops.node('Reshape', [ops.concat(ordered, 0), ops.ints(weightDims)], {}, output);
}
