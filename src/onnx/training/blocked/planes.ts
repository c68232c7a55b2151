import type { Dims } from '../../gradients/rule.js';
import type { BlockedValues } from './blockedValues.js';

/** The mean over each plane of a value in blocks, called `name` and of the size of `value`: [N, depth, C]. */
export function planeMeans(values: BlockedValues, name: string, value: string): string {
  const { ops } = values;
  const planes = planesOf(values, value);
  const shaped = values.inVoxels(value) ? ops.reshape(name, [1, ...planes]) : name;
  const means = values.node('GlobalAveragePool', [shaped]);
  return byChannel(values, means, value, (lanes) => ops.mean(lanes, [3], false));
}

/**
 * The sum over each plane of the product of two values in blocks, of the size of `value`: [N, depth, C]. It
 * is a depthwise convolution whose filter is as large as the plane, so the product is not written.
 */
export function planeDots(values: BlockedValues, [image, filter]: readonly string[], value: string): string {
  const { ops } = values;
  const [planes, ...plane] = planesOf(values, value);
  const operands = [ops.reshape(image, [1, planes, ...plane]), ops.reshape(filter, [planes, 1, ...plane])];
  const sums = values.conv(operands, {
    group: planes,
    kernel_shape: plane,
    strides: [1, 1],
    dilations: [1, 1],
    pads: [0, 0, 0, 0],
  });
  return byChannel(values, sums, value, (lanes) => ops.sum(lanes, [3], false));
}

/** The number of planes, and their size. In blocks of voxels, each lane of a plane is one. */
function planesOf(values: BlockedValues, value: string): Dims {
  const [batch, channels, depth, height, width] = values.shapes.get(value) as Dims;
  return values.inVoxels(value)
    ? [batch * channels * depth * values.block, 1, (height * width) / values.block]
    : [batch * depth * channels, height, width];
}

/** Numbers of all planes as [N, depth, C]. */
function byChannel(
  values: BlockedValues,
  numbers: string,
  value: string,
  join: (lanes: string) => string,
): string {
  const { ops, block } = values;
  const [batch, channels, depth] = values.shapes.get(value) as Dims;
  if (!values.inVoxels(value)) return ops.reshape(numbers, [batch, depth, channels]);
  const joined = join(ops.reshape(numbers, [batch, channels, depth, block]));
  return ops.transpose(joined, [0, 2, 1]);
}
