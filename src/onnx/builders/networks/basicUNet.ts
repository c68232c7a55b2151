import { z } from 'zod';
import {
  actOption,
  channelCount,
  dropout,
  inChannels,
  normOption,
  outChannels,
  spatialDims,
  upSampleMode,
} from '../config.js';
import { type Adn, type ConvOptions, conv, convolution, ones, threes } from '../layers/conv.js';
import { concat, maxPool, padLike } from '../layers/join.js';
import { upSample } from '../layers/upSample.js';
import { network } from '../network.js';
import type { NetworkBuilder } from '../networkBuilder.js';

/** The options of BasicUNet, which BasicUNetPlusPlus shares. */
export const basicUNetOptions = {
  spatial_dims: spatialDims,
  in_channels: inChannels.default(1).describe('Channels of the image'),
  out_channels: outChannels.default(2).describe('Channels of the output: one for each class'),
  features: z
    .tuple([channelCount, channelCount, channelCount, channelCount, channelCount, channelCount])
    .default([32, 32, 64, 128, 256, 32])
    .describe('Channels of the five levels, and of the last decoder level'),
  act: actOption
    .nullable()
    .prefault(['leakyrelu', { negative_slope: 0.1 }])
    .describe('Activation'),
  norm: normOption
    .nullable()
    .prefault(['instance', { affine: true }])
    .describe('Normalization'),
  bias: z.boolean().default(true).describe('Whether convolutions have a bias'),
  dropout,
  upsample: upSampleMode.default('deconv').describe('How sizes are doubled'),
};

/** Two convolutions with what follows them: MONAI's `TwoConv`. */
export function twoConvs(
  net: NetworkBuilder,
  name: string,
  input: string,
  options: { readonly inputs: number; readonly outputs: number; readonly bias: boolean; readonly adn: Adn },
): string {
  const layer: ConvOptions & { adn: Adn } = { ...options, kernel: threes };
  const first = convolution(net, `${name}.conv_0`, input, layer);
  return convolution(net, `${name}.conv_1`, first, { ...layer, inputs: options.outputs });
}

/**
 * MONAI's `BasicUNet`. Source: Falk et al., "U-Net: deep learning for cell counting, detection, and
 * morphometry", 2019, and MONAI 1.3's names and defaults.
 */
export const basicUNet = network({
  name: 'BasicUNet',
  summary: 'Two convolutions per level, halved by max pooling, doubled by `upsample`.',
  example: { in_channels: 1, out_channels: 2, features: [32, 32, 64, 128, 256, 32] },
  options: basicUNetOptions,
  build: (net, input, config) => {
    const { features, bias } = config;
    const adn: Adn = { norm: config.norm, act: config.act, ordering: 'NDA' };
    const skips = [
      twoConvs(net, 'conv_0', input, { inputs: config.in_channels, outputs: features[0], bias, adn }),
    ];
    for (let level = 1; level < 5; level++) {
      const channels = { inputs: features[level - 1], outputs: features[level], bias, adn };
      skips.push(twoConvs(net, `down_${level}.convs`, maxPool(net, skips[level - 1]), channels));
    }
    let x = skips[4];
    let inputs = features[4];
    for (let level = 4; level >= 1; level--) {
      const name = `upcat_${level}`;
      const skip = features[level - 1];
      // The last level on the way up keeps its channels, the others halve them.
      const outputs = level === 1 ? inputs : Math.floor(inputs / 2);
      const options = { inputs, outputs, mode: config.upsample, alignCorners: true };
      const doubled = padLike(net, upSample(net, `${name}.upsample`, x, options), skips[level - 1]);
      const result = level === 1 ? features[5] : skip;
      const channels = { inputs: skip + outputs, outputs: result, bias, adn };
      x = twoConvs(net, `${name}.convs`, concat(net, [skips[level - 1], doubled]), channels);
      inputs = result;
    }
    return conv(net, 'final_conv', x, { inputs, outputs: config.out_channels, kernel: ones, bias: true });
  },
});
