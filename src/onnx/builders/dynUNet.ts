import { z } from 'zod';
import { show } from '../../errors.js';
import { type Axes, act, channelCount, dropout, norm, perAxis, spatialDims } from './config.js';
import { ones } from './layers.js';
import { defineNetwork } from './network.js';

/**
 * MONAI's `DynUNet`, the U-Net that nnU-Net plans: kernels and strides per level and axis. Source: Isensee et
 * al., "nnU-Net: a self-configuring method for deep learning-based biomedical image segmentation", 2021, and
 * MONAI 1.3's names and defaults. Heads for deep supervision belong to training and are left out.
 */
export const dynUNet = defineNetwork({
  name: 'DynUNet',
  start: 'kaimingNormal',
  options: {
    spatial_dims: spatialDims,
    in_channels: channelCount,
    out_channels: channelCount,
    kernel_size: z.array(perAxis),
    strides: z.array(perAxis).min(3),
    upsample_kernel_size: z.array(perAxis),
    /** Default: 32, 64, 128 and so on, at most 320. More than there are levels are ignored. */
    filters: z.array(channelCount).nullable().optional(),
    dropout,
    norm_name: norm.prefault(['instance', { affine: true }]),
    act_name: act.prefault(['leakyrelu', { negative_slope: 0.01 }]),
    deep_supervision: z.boolean().default(false),
    deep_supr_num: channelCount.default(1),
    res_block: z.boolean().default(false),
    trans_bias: z.boolean().default(false),
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
  build: (layers, input, config) => {
    const { kernel_size: kernels, strides, upsample_kernel_size: upKernels, norm_name, act_name } = config;
    const filters = config.filters ?? strides.map((_, level) => Math.min(2 ** (5 + level), 320));

    /** MONAI's `UnetBasicBlock`, or `UnetResBlock` where the input is added to the result. */
    const block = (
      name: string,
      x: string,
      options: { inputs: number; outputs: number; kernel: Axes; stride: Axes; residual: boolean },
    ) => {
      const { inputs, outputs, kernel, stride, residual } = options;
      const conv = (part: number, from: string, channels: number, size: Axes, step: Axes) => {
        const layer = { inputs: channels, outputs, kernel: size, stride: step, bias: false };
        const y = layers.conv(`${name}.conv${part}.conv`, from, { ...layer, padding: paddingOf(size, step) });
        return layers.norm(`${name}.norm${part}`, y, outputs, norm_name);
      };
      const activate = (y: string) => layers.act(`${name}.lrelu`, y, act_name);
      const first = activate(conv(1, x, inputs, kernel, stride));
      const second = conv(2, first, outputs, kernel, ones);
      if (!residual) return activate(second);
      const same = inputs === outputs && stride.every((step) => step === 1);
      return activate(layers.add(second, same ? x : conv(3, x, inputs, ones, stride)));
    };

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
      const up = layers.convTranspose(`${name}.transp_conv.conv`, x, {
        inputs: filters[level],
        outputs,
        kernel: upKernel,
        stride: upKernel,
        padding: [0, 0, 0],
        bias: config.trans_bias,
      });
      x = block(`${name}.conv_block`, layers.concat([up, skips[level - 1]]), {
        inputs: 2 * outputs,
        outputs,
        kernel: kernels[level],
        stride: ones,
        residual: false,
      });
    }
    // The same modules once more, under the names of the recursion that MONAI runs them by.
    layers.ignore((name) => name.startsWith('skip_layers.'));
    if (config.deep_supervision) {
      for (let head = 0; head < config.deep_supr_num; head++) {
        const name = `deep_supervision_heads.${head}.conv.conv`;
        layers.expect(`${name}.weight`, [config.out_channels, filters[head + 1], 1, 1, 1]);
        layers.expect(`${name}.bias`, [config.out_channels]);
      }
    }
    const output = { inputs: filters[0], outputs: config.out_channels, kernel: ones, bias: true };
    return layers.conv('output_block.conv.conv', x, output);
  },
});

/** MONAI's `get_padding`: half of what the kernel has more than the stride, rounded down. */
function paddingOf(kernel: Axes, stride: Axes): Axes {
  const [x, y, z] = kernel.map((size, axis) => Math.floor((size - stride[axis] + 1) / 2));
  return [x, y, z];
}
