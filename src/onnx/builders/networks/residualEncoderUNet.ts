import { z } from 'zod';
import { type Axes, channelCount } from '../config.js';
import { ones } from '../layers/conv.js';
import { add } from '../layers/join.js';
import { checkNnunet, countOf, NnunetParts, nnunetExample, nnunetOptions } from '../layers/nnunetParts.js';
import { network } from '../network.js';

/**
 * nnU-Net's U-Net with residual blocks in the encoder, without its heads for deep supervision. A 2D network
 * is built for windows of one slice: its first axis is 1. Source: Isensee et al., "nnU-Net Revisited", 2024,
 * and `ResidualEncoderUNet` of `dynamic_network_architectures` 0.3 with its basic block.
 */
export const residualEncoderUNet = network({
  name: 'ResidualEncoderUNet',
  summary: "nnU-Net v2's U-Net with residual blocks in the encoder, 2D or 3D.",
  start: 'kaimingNormal',
  example: {
    ...nnunetExample,
    n_blocks_per_stage: [1, 3],
    n_conv_per_stage_decoder: 1,
  },
  options: {
    ...nnunetOptions,
    n_blocks_per_stage: z
      .union([channelCount, z.array(channelCount).min(1)])
      .describe('Residual blocks of each stage'),
    stem_channels: channelCount
      .nullable()
      .optional()
      .describe('Channels of the stem. Default: of the first stage'),
  },
  channels: ({ input_channels: inputs, num_classes: outputs }) => ({ inputs, outputs }),
  check: (config) => checkNnunet(config, { n_blocks_per_stage: config.n_blocks_per_stage }),
  build: (net, input, config) => {
    const parts = new NnunetParts(net, config);
    const { features_per_stage: features, kernel_sizes: kernels, strides } = config;
    const stem = config.stem_channels ?? features[0];
    let x = parts.stack(
      'encoder.stem',
      input,
      { inputs: config.input_channels, outputs: stem, kernel: parts.axes(kernels[0]), stride: ones },
      1,
    );
    const skips: string[] = [];
    let inputs = stem;
    for (let stage = 0; stage < config.n_stages; stage++) {
      const outputs = features[stage];
      for (let i = 0; i < countOf(config.n_blocks_per_stage, stage); i++) {
        const stride = i === 0 ? parts.axes(strides[stage]) : ones;
        const layer = { inputs, outputs, kernel: parts.axes(kernels[stage]), stride };
        x = residualBlock(parts, `encoder.stages.${stage}.blocks.${i}`, x, layer);
        inputs = outputs;
      }
      skips.push(x);
    }
    return parts.decode(skips);
  },
});

/** `BasicBlockD`: two convolutions, and an average pool and a convolution for the input where it changes. */
function residualBlock(
  parts: NnunetParts,
  name: string,
  input: string,
  { inputs, outputs, kernel, stride }: { inputs: number; outputs: number; kernel: Axes; stride: Axes },
): string {
  const first = parts.block(`${name}.conv1`, input, { inputs, outputs, kernel, stride });
  const second = parts.block(`${name}.conv2`, first, { inputs: outputs, outputs, kernel }, false);
  const pooled = stride.some((step) => step > 1);
  let skip = input;
  if (pooled)
    skip = parts.net.graph.addNode('AveragePool', [skip], { kernel_shape: stride, strides: stride });
  if (inputs !== outputs) {
    const layer = { inputs, outputs, kernel: ones, bias: false };
    skip = parts.block(`${name}.skip.${pooled ? 1 : 0}`, skip, layer, false);
  }
  return parts.activate(`${name}.nonlin2`, add(parts.net, second, skip));
}
