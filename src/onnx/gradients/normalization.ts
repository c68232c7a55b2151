import { floatOf, isOp } from '../edit.js';
import { type Ops, range } from '../ops.js';
import { floats, sizeOf } from '../tensor.js';
import { type Dims, type GradientRule, untrainable } from './rule.js';

/** A vector of `length` equal numbers. */
function vector(ops: Ops, length: number, value: number): string {
  return ops.graph.addConstant('vector', floats([length], new Float32Array(length).fill(value)));
}

/** All axes of a value [N, C, ...] except the channel axis. */
export function axesButChannels(dims: Dims): number[] {
  return range(dims.length).filter((axis) => axis !== 1);
}

/** A vector of channels in a shape that broadcasts over [N, C, ...]. */
export function alongChannels(ops: Ops, x: string, dims: Dims): string {
  return ops.reshape(x, [dims[1], ...dims.slice(2).map(() => 1)]);
}

/**
 * The variance over axes (which stay, with size 1) of values whose mean is known. It is the mean of the
 * squared deviations; the mean of the squares minus the square of the mean would lose digits in float32.
 */
export function variance(ops: Ops, x: string, mean: string, axes: readonly number[]): string {
  return ops.mean(ops.square(ops.sub(x, mean)), axes);
}

/**
 * InstanceNormalization, and BatchNormalization with given statistics or with batch statistics as
 * `useBatchStatistics` writes them. Source of the gradient through the statistics: Ioffe and Szegedy, "Batch
 * normalization", 2015, section 3.
 */
export const normalizationRules: Readonly<Record<string, GradientRule>> = {
  BatchNormalization: ({ ops, node, dy, inputDims, wanted, producer }) => {
    const [x, scale, , mean, varianceName] = node.inputs;
    const dims = inputDims[0] as Dims;
    const channels = dims[1];
    const epsilon = floatOf(node, 'epsilon', 1e-5);
    const axes = axesButChannels(dims);
    const zeros = vector(ops, channels, 0);
    const ones = vector(ops, channels, 1);
    const normalized = ops.node('BatchNormalization', [x, ones, zeros, mean, varianceName], {
      epsilon: { float: epsilon },
    });
    const dBias = ops.sum(dy, axes, false);
    const dScale = ops.sum(ops.mul(dy, normalized), axes, false);
    const factor = ops.div(scale, ops.sqrt(ops.shift(varianceName, epsilon)));
    if (!wanted(3)) return [ops.mul(dy, alongChannels(ops, factor, dims)), dScale, dBias];
    const flattened = producer(mean);
    const average = isOp(flattened, 'Reshape') ? producer(flattened.inputs[0]) : undefined;
    if (!isOp(average, 'ReduceMean') || average.inputs[0] !== x) {
      throw untrainable(node, 'its mean is computed, but not as voxstream computes it');
    }
    const share = 1 / (sizeOf(dims) / channels);
    const centred = ops.node('BatchNormalization', [dy, factor, zeros, ops.scale(dBias, share), ones], {
      epsilon: { float: 0 },
    });
    const along = ops.mul(factor, ops.scale(dScale, share));
    const dx = ops.sub(centred, ops.mul(normalized, alongChannels(ops, along, dims)));
    return [dx, dScale, dBias];
  },
  InstanceNormalization: ({ ops, node, dy, inputDims }) => {
    const [x, scale] = node.inputs;
    const dims = inputDims[0] as Dims;
    const epsilon = floatOf(node, 'epsilon', 1e-5);
    const axes = range(dims.length).slice(2);
    const ones = vector(ops, dims[1], 1);
    const zeros = vector(ops, dims[1], 0);
    const normalized = ops.node('InstanceNormalization', [x, ones, zeros], { epsilon: { float: epsilon } });
    const share = 1 / sizeOf(dims.slice(2));
    const sums = ops.sum(dy, axes);
    const products = ops.sum(ops.mul(dy, normalized), axes);
    const deviation = ops.sqrt(ops.shift(variance(ops, x, ops.mean(x, axes), axes), epsilon));
    const factor = ops.div(alongChannels(ops, scale, dims), deviation);
    const shifted = ops.sub(dy, ops.mul(normalized, ops.scale(products, share)));
    const dx = ops.mul(ops.sub(shifted, ops.scale(sums, share)), factor);
    return [dx, ops.reshape(ops.sum(products, [0]), [dims[1]]), ops.reshape(ops.sum(sums, [0]), [dims[1]])];
  },
};
