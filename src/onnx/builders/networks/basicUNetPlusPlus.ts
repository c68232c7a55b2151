import { z } from 'zod';
import { type Adn, conv, ones } from '../layers/conv.js';
import { concat, maxPool, padLike } from '../layers/join.js';
import { upSample } from '../layers/upSample.js';
import { network } from '../network.js';
import { basicUNetOptions, twoConvs } from './basicUNet.js';

/**
 * MONAI's `BasicUNetPlusPlus`: the last of its outputs. Source: Zhou et al., "UNet++: a nested U-Net
 * architecture for medical image segmentation", 2018, and MONAI 1.3's names and defaults.
 */
export const basicUNetPlusPlus = network({
  name: 'BasicUNetPlusPlus',
  summary: 'A BasicUNet with a grid of convolutions between encoder and decoder.',
  example: { in_channels: 1, out_channels: 2, features: [32, 32, 64, 128, 256, 32] },
  options: {
    ...basicUNetOptions,
    deep_supervision: z
      .boolean()
      .default(false)
      .describe('Only used in training; at inference, the finest output is used'),
  },
  build: (net, input, config) => {
    const { features, bias } = config;
    const adn: Adn = { norm: config.norm, act: config.act, ordering: 'NDA' };
    // The results of a level, from left to right.
    const rows: string[][] = features.slice(0, 5).map(() => []);
    for (let level = 0; level < 5; level++) {
      const name = level === 0 ? 'conv_0_0' : `conv_${level}_0.convs`;
      const x = level === 0 ? input : maxPool(net, rows[level - 1][0]);
      const inputs = level === 0 ? config.in_channels : features[level - 1];
      rows[level].push(twoConvs(net, name, x, { inputs, outputs: features[level], bias, adn }));
    }
    for (let column = 1; column < 5; column++) {
      for (let level = 0; level < 5 - column; level++) {
        const name = `upcat_${level}_${column}`;
        const below = features[level + 1];
        // The first level keeps the channels of what it doubles, the others halve them.
        const outputs = level === 0 ? below : Math.floor(below / 2);
        const doubling = { inputs: below, outputs, mode: config.upsample, alignCorners: true };
        const doubled = upSample(net, `${name}.upsample`, rows[level + 1][column - 1], doubling);
        const joined = concat(net, [...rows[level], padLike(net, doubled, rows[level][0])]);
        rows[level].push(
          twoConvs(net, `${name}.convs`, joined, {
            inputs: column * features[level] + outputs,
            outputs: level === 0 && column === 4 ? features[5] : features[level],
            bias,
            adn,
          }),
        );
      }
    }
    // Each column but the first has a head.
    net.ignore((name) => /^final_conv_0_[123]\./.test(name));
    const last = { inputs: features[5], outputs: config.out_channels, kernel: ones, bias: true };
    return conv(net, 'final_conv_0_4', rows[0][4], last);
  },
});
