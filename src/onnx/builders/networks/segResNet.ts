import { z } from 'zod';
import {
  type Act,
  actOption,
  channelCount,
  dropoutRate,
  inChannels,
  type Norm,
  normOption,
  outChannels,
  spatialDims,
  upSampleMode,
} from '../config.js';
import { act } from '../layers/act.js';
import { conv, ones, threes, twos } from '../layers/conv.js';
import { add } from '../layers/join.js';
import { norm } from '../layers/norm.js';
import { preActivationBlock } from '../layers/preActivationBlock.js';
import { type UpSampleMode, upSample } from '../layers/upSample.js';
import { network } from '../network.js';
import type { NetworkBuilder } from '../networkBuilder.js';

/** The options of SegResNet, which SegResNetVAE shares. */
const options = {
  spatial_dims: spatialDims,
  init_filters: channelCount.default(8).describe('Channels of the first level; each level doubles them'),
  in_channels: inChannels.default(1).describe('Channels of the image'),
  out_channels: outChannels.default(2).describe('Channels of the output: one for each class'),
  dropout_prob: dropoutRate,
  act: actOption.prefault('relu').describe('Activation'),
  norm: normOption.prefault(['group', { num_groups: 8 }]).describe('Normalization'),
  use_conv_final: z.boolean().default(true).describe('End with a normalization and a 1x1x1 convolution'),
  blocks_down: z.array(channelCount).min(1).default([1, 2, 2, 4]).describe('Residual blocks of each level'),
  blocks_up: z.array(channelCount).default([1, 1, 1]).describe('Residual blocks of each decoder level'),
  upsample_mode: upSampleMode.default('nontrainable').describe('How sizes are doubled'),
};

interface SegResNetConfig {
  readonly init_filters: number;
  readonly in_channels: number;
  readonly out_channels: number;
  readonly act: Act;
  readonly norm: Norm;
  readonly use_conv_final: boolean;
  readonly blocks_down: readonly number[];
  readonly blocks_up: readonly number[];
  readonly upsample_mode: UpSampleMode;
}

/**
 * MONAI's `SegResNet`. Source: Myronenko, "3D MRI brain tumor segmentation using autoencoder regularization",
 * 2018 (without its autoencoder), and MONAI 1.3's names and defaults.
 */
export const segResNet = network({
  name: 'SegResNet',
  summary:
    'Residual blocks with normalization first, halved by strided convolutions, doubled by `upsample_mode`, skips added.',
  example: { in_channels: 1, out_channels: 2, init_filters: 16 },
  options: {
    ...options,
    norm_name: z.string().default('').describe('The old form of `norm`: "group", with `num_groups`'),
    num_groups: channelCount.default(8).describe('Groups of the normalization that `norm_name` names'),
  },
  check: (config) => {
    const old = config.norm_name.toLowerCase();
    const faults = checkBlocks(config);
    if (old && old !== 'group') faults.push(`norm_name must be "group", but it is "${config.norm_name}"`);
    return faults;
  },
  build: (net, input, config) => {
    const { norm_name: old, num_groups } = config;
    const group: Norm = { kind: 'group', num_groups, affine: true, eps: 1e-5 };
    return build(net, input, old ? { ...config, norm: group } : config);
  },
});

/**
 * MONAI's `SegResNetVAE`, as it runs at inference: a SegResNet. Its second branch (`vae_*`) encodes the image
 * again, for training alone.
 */
export const segResNetVAE = network({
  name: 'SegResNetVAE',
  summary: 'A SegResNet that was trained with a variational autoencoder; the autoencoder is left out.',
  example: { input_image_size: [96, 96, 96], in_channels: 1, out_channels: 2, init_filters: 16 },
  options: {
    input_image_size: z.array(channelCount).optional().describe('Only used in training'),
    vae_estimate_std: z.boolean().optional().describe('Only used in training'),
    vae_default_std: z.number().min(0).max(1000).optional().describe('Only used in training'),
    vae_nz: channelCount.optional().describe('Only used in training'),
    ...options,
  },
  check: checkBlocks,
  build: (net, input, config) => {
    net.ignore((name) => name.startsWith('vae_'));
    return build(net, input, config);
  },
});

function checkBlocks({ blocks_down: down, blocks_up: up }: SegResNetConfig): string[] {
  if (up.length === down.length - 1) return [];
  return [
    `blocks_up has ${up.length} entries, but blocks_down with its ${down.length} needs ${down.length - 1}`,
  ];
}

function build(net: NetworkBuilder, input: string, config: SegResNetConfig): string {
  const { init_filters: filters, blocks_down: blocksDown, blocks_up: blocksUp } = config;
  const conv3 = { kernel: threes, bias: false };
  const block = (name: string, x: string, channels: number) =>
    preActivationBlock(net, name, x, {
      channels,
      kernel: threes,
      norm: config.norm,
      act: config.act,
      acts: ['act', 'act'],
      conv: '.conv',
    });

  let x = conv(net, 'convInit.conv', input, { ...conv3, inputs: config.in_channels, outputs: filters });
  const skips: string[] = [];
  for (const [level, count] of blocksDown.entries()) {
    const name = `down_layers.${level}`;
    const channels = filters * 2 ** level;
    const half = { ...conv3, inputs: channels / 2, outputs: channels, stride: twos };
    if (level > 0) x = conv(net, `${name}.0.conv`, x, half);
    for (let i = 1; i <= count; i++) x = block(`${name}.${i}`, x, channels);
    skips.push(x);
  }
  for (const [i, count] of blocksUp.entries()) {
    const outputs = filters * 2 ** (blocksUp.length - i - 1);
    const narrow = { inputs: 2 * outputs, outputs, kernel: ones, bias: false };
    x = conv(net, `up_samples.${i}.0.conv`, x, narrow);
    const doubling = { inputs: outputs, outputs, mode: config.upsample_mode, alignCorners: false };
    x = add(net, upSample(net, `up_samples.${i}.1`, x, doubling), skips[blocksUp.length - i - 1]);
    for (let j = 0; j < count; j++) x = block(`up_layers.${i}.${j}`, x, outputs);
  }
  // The activation behind the last normalization has a second name.
  net.ignore(
    (name) => name.startsWith('act_mod.'),
    config.use_conv_final && config.act.kind === 'prelu' ? [['act_mod.weight', 'conv_final.1.weight']] : [],
  );
  if (config.use_conv_final) {
    x = norm(net, 'conv_final.0', x, filters, config.norm);
    x = act(net, 'conv_final.1', x, config.act);
    const final = { inputs: filters, outputs: config.out_channels, kernel: ones, bias: true };
    return conv(net, 'conv_final.2.conv', x, final);
  }
  // MONAI makes the last layers in any case, and a state dict has them.
  net.ignore((name) => name.startsWith('conv_final.'));
  return x;
}
