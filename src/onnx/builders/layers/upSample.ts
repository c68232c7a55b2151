import { floats } from '../../tensor.js';
import { type Axes, eachAxis } from '../config.js';
import type { NetworkBuilder } from '../networkBuilder.js';
import { conv, convTranspose, ones, threes, twos, zeros } from './conv.js';

/** How `upSample` enlarges. */
export type UpSampleMode = 'deconv' | 'deconvgroup' | 'nontrainable' | 'pixelshuffle';

/**
 * MONAI's `UpSample`: a transposed convolution (`deconv`; in groups: `deconvgroup`), trilinear interpolation
 * after a 1x1x1 convolution where the channels change (`nontrainable`), or a convolution to eight times the
 * channels, which become the voxels of 2x2x2 blocks, and a mean over 2x2x2 voxels (`pixelshuffle`).
 */
export function upSample(
  net: NetworkBuilder,
  name: string,
  input: string,
  options: {
    readonly inputs: number;
    readonly outputs: number;
    readonly mode: UpSampleMode;
    readonly alignCorners: boolean;
    /** Default: 2 along every axis. */
    readonly factors?: Axes;
    /** Of the transposed convolution, with zeros around it. Default: the factors, without zeros. */
    readonly kernel?: Axes;
    /** Default: true. */
    readonly bias?: boolean;
  },
): string {
  const { inputs, outputs, mode, alignCorners, factors = twos, kernel, bias = true } = options;
  if (mode === 'deconv' || mode === 'deconvgroup') {
    return convTranspose(net, `${name}.${mode}`, input, {
      inputs,
      outputs,
      kernel: kernel ?? factors,
      stride: factors,
      padding: kernel ? eachAxis((axis) => Math.floor((kernel[axis] - 1) / 2)) : zeros,
      outputPadding: kernel ? eachAxis((axis) => factors[axis] - 1 - ((kernel[axis] - 1) % 2)) : zeros,
      groups: mode === 'deconvgroup' && inputs % outputs === 0 ? outputs : 1,
      bias,
    });
  }
  if (mode === 'pixelshuffle') {
    if (factors.some((factor) => factor !== 2)) {
      net.fault(`${name} must double every axis for the mode pixelshuffle, but its factors are ${factors}`);
    }
    const wide = { inputs, outputs: 8 * outputs, kernel: threes, bias, copies: 8 };
    return pixelShuffle(net, conv(net, `${name}.pixelshuffle.conv_block`, input, wide), outputs);
  }
  const preconv = { inputs, outputs, kernel: ones, bias };
  const x = inputs === outputs ? input : conv(net, `${name}.preconv`, input, preconv);
  return interpolate(net, x, factors, alignCorners);
}

/** Trilinear interpolation to sizes times `factors`. */
export function interpolate(
  net: NetworkBuilder,
  input: string,
  factors: readonly number[],
  alignCorners: boolean,
): string {
  if (factors.every((factor) => factor === 1)) return input;
  return net.graph.addNode('Resize', [input, '', scales(net, factors)], {
    mode: 'linear',
    coordinate_transformation_mode: alignCorners ? 'align_corners' : 'half_pixel',
  });
}

/** Repeats each voxel along each axis. */
export function repeatVoxels(net: NetworkBuilder, input: string, factors: Axes): string {
  return net.graph.addNode('Resize', [input, '', scales(net, factors)], {
    mode: 'nearest',
    coordinate_transformation_mode: 'asymmetric',
    nearest_mode: 'floor',
  });
}

function scales(net: NetworkBuilder, factors: readonly number[]): string {
  return net.constant(`scales_${factors.join('_')}`, floats([5], [1, 1, ...factors]));
}

/**
 * [N, 8 * channels, ...sizes] to [N, channels, ...2 * sizes], the last axis' half fastest among the channels;
 * then a zero before each axis, and the mean of each 2x2x2 voxels.
 */
export function pixelShuffle(net: NetworkBuilder, input: string, channels: number): string {
  const { graph } = net;
  const sizes = graph.addNode('Shape', [input], { start: 2 });
  const apartShape = graph.addNode('Concat', [net.ints([-1, channels, 2, 2, 2]), sizes], { axis: 0 });
  const apart = graph.addNode('Reshape', [input, apartShape]);
  const moved = graph.addNode('Transpose', [apart], { perm: [0, 1, 5, 2, 6, 3, 7, 4] });
  const doubled = graph.addNode('Mul', [sizes, net.ints([2])]);
  const shape = graph.addNode('Concat', [net.ints([-1, channels]), doubled], { axis: 0 });
  const shuffled = graph.addNode('Reshape', [moved, shape]);
  const padded = graph.addNode('Pad', [shuffled, net.ints([0, 0, 1, 1, 1, 0, 0, 0, 0, 0])]);
  return graph.addNode('AveragePool', [padded], { kernel_shape: [2, 2, 2] });
}
