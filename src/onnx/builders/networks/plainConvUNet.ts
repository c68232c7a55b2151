import { z } from 'zod';
import { channelCount } from '../config.js';
import { checkNnunet, countOf, NnunetParts, nnunetExample, nnunetOptions } from '../layers/nnunetParts.js';
import { network } from '../network.js';

/**
 * nnU-Net's plain U-Net, without its heads for deep supervision. A 2D network is built for windows of one
 * slice: its first axis is 1. Source: Isensee et al., "nnU-Net: a self-configuring method for deep
 * learning-based biomedical image segmentation", 2021, and `PlainConvUNet` of `dynamic_network_architectures`
 * 0.3.
 */
export const plainConvUNet = network({
  name: 'PlainConvUNet',
  summary: "nnU-Net v2's U-Net, 2D or 3D.",
  start: 'kaimingNormal',
  example: {
    ...nnunetExample,
    n_conv_per_stage: 2,
    n_conv_per_stage_decoder: 2,
  },
  options: {
    ...nnunetOptions,
    n_conv_per_stage: z
      .union([channelCount, z.array(channelCount).min(1)])
      .describe('Convolutions of each encoder stage'),
    nonlin_first: z
      .literal(false)
      .optional()
      .describe('Only false is supported: the activation follows the normalization'),
  },
  channels: ({ input_channels: inputs, num_classes: outputs }) => ({ inputs, outputs }),
  check: (config) => checkNnunet(config, { n_conv_per_stage: config.n_conv_per_stage }),
  build: (net, input, config) => {
    const parts = new NnunetParts(net, config);
    const { features_per_stage: features, kernel_sizes: kernels, strides } = config;
    const skips: string[] = [];
    let x = input;
    for (let stage = 0; stage < config.n_stages; stage++) {
      const layer = {
        inputs: stage === 0 ? config.input_channels : features[stage - 1],
        outputs: features[stage],
        kernel: parts.axes(kernels[stage]),
        stride: parts.axes(strides[stage]),
      };
      x = parts.stack(`encoder.stages.${stage}.0`, x, layer, countOf(config.n_conv_per_stage, stage));
      skips.push(x);
    }
    return parts.decode(skips);
  },
});
