import { z } from 'zod';
import { act, channelCount, norm, spatialDims } from './config.js';
import { ones, twos } from './layers.js';
import { defineNetwork } from './network.js';

/**
 * MONAI's `SegResNet`: residual blocks with normalization first, halved by strided convolutions, doubled by
 * `upsample_mode`, the ways down added to the ways up. Source: Myronenko, "3D MRI brain tumor segmentation
 * using autoencoder regularization", 2018 (without its autoencoder), and MONAI 1.3's names and defaults.
 */
export const segResNet = defineNetwork({
  name: 'SegResNet',
  options: {
    spatial_dims: spatialDims,
    init_filters: channelCount.default(8),
    in_channels: channelCount.default(1),
    out_channels: channelCount.default(2),
    /** Dropout does nothing at inference. */
    dropout_prob: z.number().nullable().optional(),
    act: act.prefault('relu'),
    norm: norm.prefault(['group', { num_groups: 8 }]),
    use_conv_final: z.boolean().default(true),
    blocks_down: z.array(channelCount).min(1).default([1, 2, 2, 4]),
    blocks_up: z.array(channelCount).default([1, 1, 1]),
    upsample_mode: z.enum(['deconv', 'nontrainable', 'pixelshuffle']).default('nontrainable'),
  },
  check: ({ blocks_down, blocks_up }) => {
    if (blocks_up.length === blocks_down.length - 1) return [];
    const needed = `blocks_down with its ${blocks_down.length} needs ${blocks_down.length - 1}`;
    return [`blocks_up has ${blocks_up.length} entries, but ${needed}`];
  },
  build: (layers, input, config) => {
    const { init_filters: filters, blocks_down: blocksDown, blocks_up: blocksUp } = config;
    const conv3 = { kernel: [3, 3, 3] as const, bias: false };

    const block = (name: string, x: string, channels: number) => {
      const options = { ...conv3, inputs: channels, outputs: channels };
      let y = x;
      for (const part of [1, 2]) {
        y = layers.norm(`${name}.norm${part}`, y, channels, config.norm);
        y = layers.act(`${name}.act`, y, config.act);
        y = layers.conv(`${name}.conv${part}.conv`, y, options);
      }
      return layers.add(y, x);
    };

    let x = layers.conv('convInit.conv', input, { ...conv3, inputs: config.in_channels, outputs: filters });
    const skips: string[] = [];
    for (const [level, count] of blocksDown.entries()) {
      const name = `down_layers.${level}`;
      const channels = filters * 2 ** level;
      const half = { ...conv3, inputs: channels / 2, outputs: channels, stride: twos };
      if (level > 0) x = layers.conv(`${name}.0.conv`, x, half);
      for (let i = 1; i <= count; i++) x = block(`${name}.${i}`, x, channels);
      skips.push(x);
    }
    for (const [i, count] of blocksUp.entries()) {
      const outputs = filters * 2 ** (blocksUp.length - i - 1);
      const narrow = { inputs: 2 * outputs, outputs, kernel: ones, bias: false };
      x = layers.conv(`up_samples.${i}.0.conv`, x, narrow);
      const options = { inputs: outputs, outputs, mode: config.upsample_mode, alignCorners: false };
      x = layers.add(layers.upSample(`up_samples.${i}.1`, x, options), skips[blocksUp.length - i - 1]);
      for (let j = 0; j < count; j++) x = block(`up_layers.${i}.${j}`, x, outputs);
    }
    // The activation after the network's last normalization is also registered by a name of its own.
    layers.ignore((name) => name.startsWith('act_mod.'));
    const final = { inputs: filters, outputs: config.out_channels, kernel: ones, bias: true };
    if (config.use_conv_final) {
      x = layers.norm('conv_final.0', x, filters, config.norm);
      x = layers.act('conv_final.1', x, config.act);
      return layers.conv('conv_final.2.conv', x, final);
    }
    // MONAI makes the last layers in any case, and a state dict has them.
    layers.ignore((name) => name.startsWith('conv_final.'));
    return x;
  },
});
