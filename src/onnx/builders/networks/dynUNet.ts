import { z } from 'zod';
import { show } from '../../../errors.js';
import {
  type Axes,
  actOption,
  channelCount,
  dropout,
  inChannels,
  normOption,
  outChannels,
  perAxis,
  spatialDims,
} from '../config.js';
import { conv, ones } from '../layers/conv.js';
import { concat } from '../layers/join.js';
import { unetBlock, upConv } from '../layers/unetBlocks.js';
import { network } from '../network.js';

/**
 * MONAI's `DynUNet`, without its heads for deep supervision. Source: Isensee et al., "nnU-Net: a
 * self-configuring method for deep learning-based biomedical image segmentation", 2021, and MONAI 1.3's names
 * and defaults.
 */
export const dynUNet = network({
  name: 'DynUNet',
  summary: 'The U-Net that nnU-Net plans: kernels and strides per level and axis.',
  start: 'kaimingNormal',
  example: {
    in_channels: 1,
    out_channels: 2,
    kernel_size: [3, 3, 3, 3],
    strides: [1, 2, 2, 2],
    upsample_kernel_size: [2, 2, 2],
  },
  options: {
    spatial_dims: spatialDims,
    in_channels: inChannels,
    out_channels: outChannels,
    kernel_size: z.array(perAxis).describe('Kernel of each level'),
    strides: z.array(perAxis).min(3).describe('Stride of each level; the first is 1'),
    upsample_kernel_size: z.array(perAxis).describe('Kernel and stride of each decoder level'),
    filters: z
      .array(channelCount)
      .nullable()
      .optional()
      .describe('Channels of each level. Default: 32, 64, 128 and so on, at most 320'),
    dropout,
    norm_name: normOption.prefault(['instance', { affine: true }]).describe('Normalization'),
    act_name: actOption.prefault(['leakyrelu', { negative_slope: 0.01 }]).describe('Activation'),
    deep_supervision: z.boolean().default(false).describe('Only used in training'),
    deep_supr_num: channelCount.default(1).describe('Only used in training'),
    res_block: z.boolean().default(false).describe('Add the input of each encoder block to its output'),
    trans_bias: z.boolean().default(false).describe('Whether transposed convolutions have biases'),
  },
  check: ({ kernel_size: kernels, strides, upsample_kernel_size: upKernels, filters }) => {
    const levels = strides.length;
    const faults: string[] = [];
    const count = (name: string, found: number, wanted: number) => {
      if (found !== wanted) faults.push(`${name} has ${found} entries, but ${levels} strides need ${wanted}`);
    };
    count('kernel_size', kernels.length, levels);
    count('upsample_kernel_size', upKernels.length, levels - 1);
    if (strides[0].some((step) => step !== 1)) {
      faults.push(
        `strides.0 is ${show(strides[0])}, but must be 1: the output would be smaller than the input`,
      );
    }
    if (filters && filters.length < levels) count('filters', filters.length, levels);
    for (const [level, kernel] of kernels.slice(0, levels).entries()) {
      if (kernel.some((size, axis) => size - strides[level][axis] + 1 < 0)) {
        faults.push(
          `strides.${level} is ${show(strides[level])}, which is too large for the kernel ${show(kernel)}`,
        );
      }
    }
    return faults;
  },
  build: (net, input, config) => {
    const { kernel_size: kernels, strides, upsample_kernel_size: upKernels, norm_name, act_name } = config;
    const filters = config.filters ?? strides.map((_, level) => Math.min(2 ** (5 + level), 320));

    const block = (
      name: string,
      x: string,
      options: { inputs: number; outputs: number; kernel: Axes; stride: Axes; residual: boolean },
    ) => unetBlock(net, name, x, { ...options, norm: norm_name, act: act_name });

    const last = strides.length - 1;
    const skips: string[] = [];
    let x = input;
    for (let level = 0; level <= last; level++) {
      const name = level === 0 ? 'input_block' : level === last ? 'bottleneck' : `downsamples.${level - 1}`;
      x = block(name, x, {
        inputs: level === 0 ? config.in_channels : filters[level - 1],
        outputs: filters[level],
        kernel: kernels[level],
        stride: strides[level],
        residual: config.res_block,
      });
      skips.push(x);
    }
    for (let level = last; level >= 1; level--) {
      const name = `upsamples.${last - level}`;
      const upKernel = upKernels[level - 1];
      const outputs = filters[level - 1];
      const up = upConv(net, `${name}.transp_conv`, x, {
        inputs: filters[level],
        outputs,
        kernel: upKernel,
        bias: config.trans_bias,
      });
      x = block(`${name}.conv_block`, concat(net, [up, skips[level - 1]]), {
        inputs: 2 * outputs,
        outputs,
        kernel: kernels[level],
        stride: ones,
        residual: false,
      });
    }
    // The same modules again, under the names of the recursion that MONAI runs them by.
    const again = [...net.expected.keys()].map((name) => [secondName(name, last), name] as const);
    net.ignore((name) => name.startsWith('skip_layers.'), again);
    // Heads for deep supervision, which belong to training. MONAI up to 0.8 always made them.
    const heads = config.deep_supervision ? undefined : [];
    net.ignore((name) => name.startsWith('deep_supervision_heads.'), heads);
    const output = { inputs: filters[0], outputs: config.out_channels, kernel: ones, bias: true };
    return conv(net, 'output_block.conv.conv', x, output);
  },
});

/** The name of a block's parameter in the recursion: level n is `skip_layers`, then n times `next_layer`. */
function secondName(name: string, last: number): string {
  const [, block, number, rest] =
    /^([a-z]+_block|downsamples|upsamples|bottleneck)(?:\.(\d+))?\.(.+)$/.exec(name) ?? [];
  const level =
    block === 'bottleneck'
      ? last
      : block === 'upsamples'
        ? last - 1 - Number(number)
        : Number(number ?? -1) + 1;
  const part = block === 'bottleneck' ? '' : block === 'upsamples' ? 'upsample.' : 'downsample.';
  return `skip_layers.${'next_layer.'.repeat(level)}${part}${rest}`;
}
