import type { WeightGradientTask } from '../../gradients/weightGradientNode.js';
import { range } from '../../ops.js';
import { cutSlabs } from '../../slices/lanes.js';
import { sizeOf } from '../../tensor.js';
import type { BlockedValues } from './blockedValues.js';

/** More products of channels than these fill blocks well enough. */
const mostProducts = 16;

/** Whether `laneWeightGradient` applies: stride 1, few channels, and a depth in whole blocks. */
export function laneGradientFits(block: number, task: WeightGradientTask): boolean {
  const { xDims, dyDims, sliding, weightDims } = task;
  const { strides, dilations, pads, group } = sliding;
  const [outputs, inputs, ...kernel] = weightDims;
  return (
    kernel.length === 3 &&
    sizeOf(kernel) > 1 &&
    group === 1 &&
    outputs * inputs <= mostProducts &&
    Math.max(outputs, inputs) < block &&
    dyDims[2] === xDims[2] &&
    dyDims[2] % block === 0 &&
    [...strides, ...dilations].every((step) => step === 1) &&
    pads.every((pad) => pad >= 0)
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
