import { z } from 'zod';
import { act, channelCount, dropout, norm, spatialDims } from './config.js';
import { type Adn, type ConvOptions, ones } from './layers.js';
import { defineNetwork } from './network.js';

/**
 * MONAI's `BasicUNet`: two convolutions per level, halved by max pooling, doubled by `upsample`. Source: Falk
 * et al., "U-Net: deep learning for cell counting, detection, and morphometry", 2019, and MONAI 1.3's names
 * and defaults.
 */
export const basicUNet = defineNetwork({
  name: 'BasicUNet',
  options: {
    spatial_dims: spatialDims,
    in_channels: channelCount.default(1),
    out_channels: channelCount.default(2),
    /** Channels of the five levels, and of the last one on the way up. */
    features: z
      .tuple([channelCount, channelCount, channelCount, channelCount, channelCount, channelCount])
      .default([32, 32, 64, 128, 256, 32]),
    act: act.nullable().prefault(['leakyrelu', { negative_slope: 0.1 }]),
    norm: norm.nullable().prefault(['instance', { affine: true }]),
    bias: z.boolean().default(true),
    dropout,
    upsample: z.enum(['deconv', 'nontrainable', 'pixelshuffle']).default('deconv'),
  },
  build: (layers, input, config) => {
    const { features } = config;
    const adn: Adn = { norm: config.norm, act: config.act, ordering: 'NDA' };
    const kernel = [3, 3, 3] as const;

    const twoConvs = (name: string, x: string, inputs: number, outputs: number) => {
      const options: ConvOptions & { adn: Adn } = { inputs, outputs, kernel, bias: config.bias, adn };
      const first = layers.convolution(`${name}.conv_0`, x, options);
      return layers.convolution(`${name}.conv_1`, first, { ...options, inputs: outputs });
    };

    const skips = [twoConvs('conv_0', input, config.in_channels, features[0])];
    for (let level = 1; level < 5; level++) {
      const pooled = layers.maxPool(skips[level - 1]);
      skips.push(twoConvs(`down_${level}.convs`, pooled, features[level - 1], features[level]));
    }
    let x = skips[4];
    let inputs = features[4];
    for (let level = 4; level >= 1; level--) {
      const name = `upcat_${level}`;
      const skip = features[level - 1];
      // The last way up keeps its channels, the others halve them.
      const outputs = level === 1 ? inputs : Math.floor(inputs / 2);
      const options = { inputs, outputs, mode: config.upsample, alignCorners: true };
      const doubled = layers.padLike(layers.upSample(`${name}.upsample`, x, options), skips[level - 1]);
      const result = level === 1 ? features[5] : skip;
      x = twoConvs(`${name}.convs`, layers.concat([skips[level - 1], doubled]), skip + outputs, result);
      inputs = result;
    }
    const last = { inputs, outputs: config.out_channels, kernel: ones, bias: true };
    return layers.conv('final_conv', x, last);
  },
});
