import { z } from 'zod';
import { tensor } from '../../tensor.js';
import {
  type Axes,
  channelCount,
  dropoutRate,
  eachAxis,
  inChannels,
  type Norm,
  normOption,
  outChannels,
  perAxis,
  spatialDims,
} from '../config.js';
import { conv, ones, twos, zeros } from '../layers/conv.js';
import { swinBlock } from '../layers/swinBlock.js';
import { channelNorm, channelsFirst, channelsLast, layerNorm, linear } from '../layers/transformer.js';
import { unetBlock, unetrUpBlock } from '../layers/unetBlocks.js';
import { relativeIndex } from '../layers/windows.js';
import { isBefore, monaiVersion } from '../monaiVersion.js';
import { network } from '../network.js';
import type { NetworkBuilder } from '../networkBuilder.js';

const instance: Norm = { kind: 'instance', affine: false, track_running_stats: false, eps: 1e-5 };
const fourCounts = z.tuple([channelCount, channelCount, channelCount, channelCount]);

/**
 * MONAI's `SwinUNETR`. Source: Hatamizadeh et al., "Swin UNETR: Swin transformers for semantic segmentation
 * of brain tumors in MRI images", 2022; He et al., "SwinUNETR-V2", 2023 (`use_v2`); and MONAI 1.5's names and
 * defaults.
 */
export const swinUNETR = network({
  name: 'SwinUNETR',
  summary: 'A transformer with attention in shifted windows, whose stages feed a convolutional decoder.',
  example: { in_channels: 1, out_channels: 2, feature_size: 24, monai_version: '1.5.0' },
  options: {
    img_size: perAxis
      .optional()
      .describe('Size of the windows, which MONAI before 1.5 requires and only checks'),
    in_channels: inChannels,
    out_channels: outChannels,
    patch_size: z
      .union([z.literal(2), z.tuple([z.literal(2), z.literal(2), z.literal(2)])])
      .default(2)
      .describe('Voxels per axis of a token'),
    depths: fourCounts.default([2, 2, 2, 2]).describe('Transformer blocks of each stage'),
    num_heads: fourCounts.default([3, 6, 12, 24]).describe('Heads of each stage'),
    window_size: perAxis.prefault(7).describe('Tokens along each axis of the windows of attention'),
    qkv_bias: z.boolean().default(true).describe('Whether queries, keys and values have a bias'),
    mlp_ratio: z
      .number()
      .positive()
      .max(1000)
      .default(4)
      .describe('Hidden features of an MLP per feature of a token'),
    feature_size: channelCount.default(24).describe('Channels of the first level'),
    norm_name: normOption.prefault('instance').describe('Normalization'),
    drop_rate: dropoutRate,
    attn_drop_rate: dropoutRate,
    dropout_path_rate: dropoutRate,
    normalize: z.boolean().default(true).describe("Normalize the stages' results for the decoder"),
    norm_layer: z.unknown().optional().describe('Layer norm, always'),
    patch_norm: z.boolean().default(false).describe('Normalize the tokens of the patches'),
    use_checkpoint: z.boolean().optional().describe('Only used in training'),
    spatial_dims: spatialDims,
    downsample: z
      .enum(['merging', 'mergingv2'])
      .default('merging')
      .describe('How the sizes of tokens are halved'),
    use_v2: z.boolean().default(false).describe('A convolutional block before each stage'),
    monai_version: monaiVersion,
  },
  check: ({ feature_size: f, num_heads: heads }) => [
    ...(f % 12 === 0 ? [] : [`feature_size is ${f}, but must divide by 12`]),
    ...heads
      .map((count, stage) => [count, f * 2 ** stage] as const)
      .filter(([count, channels]) => channels % count !== 0)
      .map(
        ([count, channels]) =>
          `num_heads has ${count}, but a stage of ${channels} channels must divide by it`,
      ),
  ],
  size: ({ img_size }, given) => given ?? img_size,
  build: (net, input, config, size) => {
    const { feature_size: f, norm_name: norm } = config;
    const sizes = checkSize(net, size);
    const merging = mergingOrder(net, config);
    const stages = swin(net, input, config, sizes, merging);

    const block = (name: string, x: string, inputs: number, outputs: number) =>
      unetBlock(net, `${name}.layer`, x, { inputs, outputs, norm, residual: true });
    const up = (name: string, x: string, skip: string, inputs: number, outputs: number) =>
      unetrUpBlock(net, name, x, skip, { inputs, outputs, norm, residual: true });
    const enc0 = block('encoder1', input, config.in_channels, f);
    const enc1 = block('encoder2', stages[0], f, f);
    const enc2 = block('encoder3', stages[1], 2 * f, 2 * f);
    const enc3 = block('encoder4', stages[2], 4 * f, 4 * f);
    const bottom = block('encoder10', stages[4], 16 * f, 16 * f);
    const dec3 = up('decoder5', bottom, stages[3], 16 * f, 8 * f);
    const dec2 = up('decoder4', dec3, enc3, 8 * f, 4 * f);
    const dec1 = up('decoder3', dec2, enc2, 4 * f, 2 * f);
    const dec0 = up('decoder2', dec1, enc1, 2 * f, f);
    const last = up('decoder1', dec0, enc0, f, f);
    const head = { inputs: f, outputs: config.out_channels, kernel: ones, bias: true };
    return conv(net, 'out.conv.conv', last, head);
  },
});

interface SwinConfig {
  readonly in_channels: number;
  readonly feature_size: number;
  readonly depths: readonly number[];
  readonly num_heads: readonly number[];
  readonly window_size: Axes;
  readonly qkv_bias: boolean;
  readonly mlp_ratio: number;
  readonly normalize: boolean;
  readonly patch_norm: boolean;
  readonly use_v2: boolean;
}

function checkSize(net: NetworkBuilder, size: Axes | undefined): Axes {
  if (!size) net.fault('it is built for one size of windows: give it with --patch, such as --patch 96,96,96');
  else if (size.some((n) => n % 32 !== 0)) {
    net.fault(`windows are ${size.join(' x ')}, but must divide by 32 along every axis`);
  } else return size;
  return [32, 32, 32];
}

/** The eight voxels of a 2x2x2 block in the order in which PatchMerging puts them side by side. */
type Order = readonly Axes[];

const inOrder: Order = [
  [0, 0, 0],
  [0, 0, 1],
  [0, 1, 0],
  [0, 1, 1],
  [1, 0, 0],
  [1, 0, 1],
  [1, 1, 0],
  [1, 1, 1],
];
const since15: Order = [
  [0, 0, 0],
  [1, 0, 0],
  [0, 1, 0],
  [0, 0, 1],
  [1, 1, 0],
  [1, 0, 1],
  [0, 1, 1],
  [1, 1, 1],
];
/** Two voxels twice and two not at all: an error in MONAI that trained weights depend on. */
const before15: Order = [
  [0, 0, 0],
  [1, 0, 0],
  [0, 1, 0],
  [0, 0, 1],
  [1, 0, 1],
  [0, 1, 0],
  [0, 0, 1],
  [1, 1, 1],
];

function mergingOrder(
  net: NetworkBuilder,
  config: { readonly downsample: string; readonly monai_version?: string; readonly img_size?: Axes },
): Order {
  if (config.downsample === 'mergingv2') return inOrder;
  const { monai_version: version, img_size } = config;
  if (version === undefined && img_size === undefined) {
    if (!net.isFresh) {
      net.fault(
        'PatchMerging was corrected in MONAI 1.5.0, and the weights do not tell which form they were trained with: ' +
          'give the version of MONAI with --monai-version, such as --monai-version 1.4.0',
      );
    }
    return since15;
  }
  // MONAI 1.5 has no img_size.
  const old = version === undefined || isBefore(version, '1.5');
  const why = version === undefined ? 'the configuration has img_size' : `monai_version is ${version}`;
  net.notes.push(
    `PatchMerging is computed as in MONAI ${old ? 'before' : 'since'} 1.5.0, because ${why}. ` +
      'The same weights compute something else in the other form: see --monai-version.',
  );
  return old ? before15 : since15;
}

/**
 * The Swin transformer: the tokens of the patches and the results of its four stages, as volumes of channels.
 */
function swin(net: NetworkBuilder, input: string, config: SwinConfig, size: Axes, order: Order): string[] {
  const { feature_size: f, normalize } = config;
  const embedding = 'swinViT.patch_embed';
  const layer = {
    inputs: config.in_channels,
    outputs: f,
    kernel: twos,
    stride: twos,
    padding: zeros,
    bias: true,
  };
  const patches = conv(net, `${embedding}.proj`, input, layer);
  let x = config.patch_norm ? channelNorm(net, `${embedding}.norm`, patches, f) : patches;
  let sizes = eachAxis((axis) => size[axis] / 2);
  let channels = f;
  const results = [x];
  for (const [stage, depth] of config.depths.entries()) {
    const name = `swinViT.layers${stage + 1}`;
    if (config.use_v2) {
      const block = { inputs: channels, outputs: channels, norm: instance, residual: true };
      x = unetBlock(net, `${name}c.0.layer`, x, block);
    }
    let tokens = channelsLast(net, x);
    for (let i = 0; i < depth; i++) {
      const heads = config.num_heads[stage];
      tokens = swinBlock(net, `${name}.0.blocks.${i}`, tokens, config, {
        channels,
        heads,
        sizes,
        shifted: i % 2 === 1,
      });
    }
    x = channelsFirst(net, merge(net, `${name}.0.downsample`, tokens, channels, order));
    sizes = eachAxis((axis) => sizes[axis] / 2);
    channels *= 2;
    results.push(x);
  }
  // The index of relative positions follows from the window.
  const tokens = config.window_size.reduce((product, n) => product * n, 1);
  const index = tensor('int64', [tokens, tokens], relativeIndex(config.window_size, tokens));
  const indices = [...net.expected.keys()].flatMap((name) =>
    name.endsWith('.relative_position_bias_table')
      ? [[name.replace(/bias_table$/, 'index'), index] as const]
      : [],
  );
  net.ignore((name) => name.endsWith('.attn.relative_position_index'), indices);
  if (!normalize) return results;
  return results.map((result, stage) => channelNorm(net, undefined, result, f * 2 ** stage));
}

/**
 * MONAI's `PatchMerging`: the voxels of 2x2x2 blocks side by side, normalized, and mixed to twice the
 * channels.
 */
function merge(net: NetworkBuilder, name: string, input: string, channels: number, order: Order): string {
  const { ops } = net;
  const parts = order.map((start) =>
    ops.slice(input, [1, 2, 3], start, [largest, largest, largest], [2, 2, 2]),
  );
  const normal = layerNorm(net, `${name}.norm`, ops.concat(parts, 4), 8 * channels);
  const reduction = { inputs: 8 * channels, outputs: 2 * channels, bias: false };
  return linear(net, `${name}.reduction`, normal, reduction);
}

const largest = 2 ** 31 - 1;
