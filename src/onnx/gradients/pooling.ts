import { intOf } from '../edit.js';
import { floats, sizeOf } from '../tensor.js';
import { convTransposed } from './conv.js';
import { type Dims, type GradientRule, untrainable } from './rule.js';
import { slidingOf } from './sliding.js';

/** Poolings over any number of axes. */
export const poolingRules: Readonly<Record<string, GradientRule>> = {
  /** The first of equal voxels gets the whole gradient, as in PyTorch. */
  MaxPool: ({ ops, node, dy, inputDims, outputDims }) => {
    const x = inputDims[0] as Dims;
    if (!node.outputs[1]) node.outputs[1] = ops.graph.freeName(`${node.outputs[0]}.places`);
    const zeros = ops.expand(ops.scalar(0), [sizeOf(x)]);
    const count = [sizeOf(outputDims[0])];
    const [places, gradients] = [node.outputs[1], dy].map((value) => ops.reshape(value, count));
    const kernel = node.attributes['kernel_shape'] as Dims;
    const { strides } = slidingOf(node, kernel.length);
    // Overlapping windows can have the same maximum.
    const overlap = kernel.some((size, axis) => size > strides[axis]);
    const summed = ops.node('ScatterElements', [zeros, places, gradients], {
      axis: 0,
      ...(overlap && { reduction: 'add' }),
    });
    return [ops.reshape(summed, x)];
  },
  AveragePool: ({ ops, node, dy, inputDims, outputDims }) => {
    const x = inputDims[0] as Dims;
    const rank = x.length - 2;
    const kernel = node.attributes['kernel_shape'] as Dims;
    const sliding = slidingOf(node, rank);
    const plain = sliding.pads.every((n) => n === 0) || intOf(node, 'count_include_pad', 0) === 1;
    if (!plain || intOf(node, 'ceil_mode', 0)) {
      throw untrainable(
        node,
        'it must include its padding (count_include_pad 1) and round down (ceil_mode 0)',
      );
    }
    // Each channel becomes an image with one channel.
    const [images, channels, ...sizes] = outputDims[0];
    const share = floats([1, 1, ...kernel], new Float32Array(sizeOf(kernel)).fill(1 / sizeOf(kernel)));
    const weight = ops.graph.addConstant('mean', share);
    const apart = [images * channels, 1];
    const spread = convTransposed(
      ops,
      ops.reshape(dy, [...apart, ...sizes]),
      [...apart, ...sizes],
      weight,
      share.dims,
      sliding,
      [...apart, ...x.slice(2)],
    );
    return [ops.reshape(spread, x)];
  },
};
