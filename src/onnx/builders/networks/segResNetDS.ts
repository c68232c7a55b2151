import { z } from 'zod';
import { voxelLength } from '../../../optionTypes.js';
import {
  actOption,
  affineNormOption,
  channelCount,
  inChannels,
  outChannels,
  spatialDims,
  upSampleMode,
} from '../config.js';
import { segResDecoder, segResEncoder } from '../layers/segRes.js';
import { network } from '../network.js';

/** The options of SegResNetDS, which VISTA3D's encoder shares. */
export const segResNetDSOptions = {
  spatial_dims: spatialDims,
  init_filters: channelCount.default(32).describe('Channels of the first level; each level doubles them'),
  in_channels: inChannels.default(1).describe('Channels of the image'),
  out_channels: outChannels.default(2).describe('Channels of the output: one for each class'),
  act: actOption.prefault('relu').describe('Activation'),
  norm: affineNormOption.prefault('batch').describe('Normalization'),
  blocks_down: z.array(channelCount).min(1).default([1, 2, 2, 4]).describe('Residual blocks of each level'),
  blocks_up: z
    .array(channelCount)
    .nullable()
    .optional()
    .describe('Residual blocks of each decoder level. Default: 1 for each level but the last'),
  dsdepth: z
    .int()
    .min(-65_536)
    .max(65_536)
    .default(1)
    .transform((depth) => Math.max(depth, 1))
    .describe('Levels with a head for deep supervision; the finest one is used'),
  upsample_mode: upSampleMode.default('deconv').describe('How sizes are doubled'),
  resolution: z
    .tuple([voxelLength, voxelLength, voxelLength])
    .nullable()
    .optional()
    .describe('Size of voxels in mm: axes of short voxels are halved first. Default: all axes at each level'),
};

/** Rules over several of these options. */
export function checkSegResNetDS(config: {
  readonly blocks_down: readonly number[];
  readonly blocks_up?: readonly number[] | null;
}): string[] {
  const { blocks_down: down, blocks_up: up } = config;
  if (!up || up.length === down.length - 1) return [];
  return [
    `blocks_up has ${up.length} entries, but blocks_down with its ${down.length} needs ${down.length - 1}`,
  ];
}

/**
 * MONAI's `SegResNetDS`, which Auto3DSeg trains, without its heads for deep supervision. Source: Myronenko,
 * "3D MRI brain tumor segmentation using autoencoder regularization", 2018, and MONAI 1.3's names and
 * defaults.
 */
export const segResNetDS = network({
  name: 'SegResNetDS',
  summary: "Auto3DSeg's SegResNet, for voxels of any shape.",
  example: { in_channels: 1, out_channels: 2, init_filters: 16, resolution: [1, 1, 2] },
  options: segResNetDSOptions,
  check: checkSegResNetDS,
  build: (net, input, config) =>
    segResDecoder(net, 'up_layers', segResEncoder(net, 'encoder', input, config), config),
});
