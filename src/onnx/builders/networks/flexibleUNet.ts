import { z } from 'zod';
import {
  actOption,
  channelCount,
  dropout,
  inChannels,
  normOption,
  outChannels,
  upSampleMode,
} from '../config.js';
import { type Adn, conv, ones, threes, twos } from '../layers/conv.js';
import { efficientNet, efficientNetChannels, efficientNetNames } from '../layers/efficientNet.js';
import { concat, padLike } from '../layers/join.js';
import { repeatVoxels, upSample } from '../layers/upSample.js';
import { network } from '../network.js';
import { twoConvs } from './basicUNet.js';

/**
 * MONAI's `FlexibleUNet` with a 3D EfficientNet as its encoder. Source: MONAI 1.3's names and defaults; the
 * decoder is that of segmentation_models.pytorch.
 */
export const flexibleUNet = network({
  name: 'FlexibleUNet',
  summary: 'A U-Net with an EfficientNet as its encoder.',
  example: { in_channels: 1, out_channels: 2, backbone: 'efficientnet-b0', spatial_dims: 3 },
  options: {
    in_channels: inChannels,
    out_channels: outChannels,
    backbone: z.enum(efficientNetNames).describe('The encoder'),
    pretrained: z.boolean().default(false).describe('Only used in training'),
    decoder_channels: z
      .array(channelCount)
      .min(5)
      .default([256, 128, 64, 32, 16])
      .describe('Channels of the five decoder levels'),
    // MONAI's default is 2.
    spatial_dims: z.literal(3).describe('Only networks of 3D images can be built'),
    norm: normOption.prefault(['batch', { eps: 1e-3, momentum: 0.1 }]).describe('Normalization'),
    act: actOption.prefault(['relu', { inplace: true }]).describe('Activation'),
    dropout,
    decoder_bias: z.boolean().default(false).describe('Whether convolutions of the decoder have a bias'),
    upsample: upSampleMode.default('nontrainable').describe('How sizes are doubled'),
    interp_mode: z
      .enum(['nearest', 'linear', 'bilinear', 'trilinear'])
      .default('nearest')
      .describe('How voxels are interpolated when `upsample` is "nontrainable"'),
    is_pad: z.boolean().default(true).describe('Pad sizes to multiples of 32 by repeating the last voxels'),
  },
  build: (net, input, config) => {
    const { decoder_channels: channels, upsample: mode } = config;
    const adn: Adn = { norm: config.norm, act: config.act, ordering: 'NDA' };
    const features = efficientNet(net, 'encoder', input, config.in_channels, config.backbone);
    const widths = efficientNetChannels(config.backbone);
    let x = features[4];
    let inputs = widths[4];
    for (const [i, outputs] of channels.slice(0, 5).entries()) {
      const name = `decoder.blocks.${i}`;
      const skip = features[3 - i];
      // The last level has no skip and keeps its channels; the others halve them.
      const narrow = skip ? Math.floor(inputs / 2) : inputs;
      if (mode === 'nontrainable' && config.interp_mode === 'nearest') {
        const preconv = { inputs, outputs: narrow, kernel: ones, bias: true };
        x = repeatVoxels(net, skip ? conv(net, `${name}.upsample.preconv`, x, preconv) : x, twos);
      } else {
        const doubling = { inputs, outputs: narrow, mode, alignCorners: false };
        x = upSample(net, `${name}.upsample`, x, doubling);
      }
      if (skip) x = concat(net, [skip, config.is_pad ? padLike(net, x, skip) : x]);
      const wide = narrow + (skip ? widths[3 - i] : 0);
      x = twoConvs(net, `${name}.convs`, x, { inputs: wide, outputs, bias: config.decoder_bias, adn });
      inputs = outputs;
    }
    const head = { inputs, outputs: config.out_channels, kernel: threes, bias: true };
    return conv(net, 'segmentation_head.0', x, head);
  },
});
