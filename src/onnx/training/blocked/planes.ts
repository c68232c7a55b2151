import type { BlockedValues } from './blockedValues.js';

/** The mean over each plane of a value in blocks of size `dims`: [N, depth, C]. */
export function planeMeans(values: BlockedValues, name: string, dims: readonly number[]): string {
  const [batch, channels, depth] = dims;
  return values.ops.reshape(values.node('GlobalAveragePool', [name]), [batch, depth, channels]);
}

/**
 * The sum over each plane of the product of two values in blocks: [N, depth, C]. It is a depthwise
 * convolution whose filter is as large as the plane, so the product is not written.
 */
export function planeDots(
  values: BlockedValues,
  [image, filter]: readonly string[],
  dims: readonly number[],
): string {
  const { ops } = values;
  const [batch, channels, depth, ...plane] = dims;
  const planes = batch * depth * channels;
  const operands = [ops.reshape(image, [1, planes, ...plane]), ops.reshape(filter, [planes, 1, ...plane])];
  const sums = values.conv(operands, {
    group: planes,
    kernel_shape: plane,
    strides: [1, 1],
    dilations: [1, 1],
    pads: [0, 0, 0, 0],
  });
  return ops.reshape(sums, [batch, depth, channels]);
}
