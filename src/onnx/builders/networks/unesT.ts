import { z } from 'zod';
import {
  type Axes,
  channelCount,
  dropoutRate,
  eachAxis,
  type Norm,
  normOption,
  outChannels,
  perAxis,
} from '../config.js';
import { type Adn, conv, convolution, ones, threes, twos, zeros } from '../layers/conv.js';
import { add } from '../layers/join.js';
import {
  attend,
  channelNorm,
  channelsFirst,
  channelsLast,
  layerNorm,
  linear,
  mlp,
} from '../layers/transformer.js';
import { unetBlock, unetrUpBlock, upConv } from '../layers/unetBlocks.js';
import { join, partition, windowsOf } from '../layers/windows.js';
import { network } from '../network.js';
import type { NetworkBuilder } from '../networkBuilder.js';

const levels = z.tuple([channelCount, channelCount, channelCount]);
const eps = 1e-6;
/** The blocks of tokens within which attention runs. */
const window: Axes = [6, 6, 6];

/**
 * `UNesT`, the script of two bundles of MONAI's model zoo (renalStructures_UNEST_segmentation and
 * wholeBrainSeg_Large_UNEST_segmentation). Source: Yu et al., "UNesT: local spatial representation learning
 * with hierarchical transformer for efficient medical segmentation", 2023.
 */
export const unesT = network({
  name: 'UNesT',
  summary: 'A hierarchical transformer with attention in blocks, whose levels feed a convolutional decoder.',
  example: { in_channels: 1, out_channels: 4 },
  options: {
    in_channels: z.literal(1).default(1).describe('Channels of the image'),
    out_channels: outChannels,
    img_size: perAxis.optional().describe('Size of the windows: 96 along every axis'),
    feature_size: channelCount.optional().describe('Default: an eighth of the first of embed_dim'),
    patch_size: z.literal(4).default(4).describe('Voxels per axis of a token'),
    depths: levels.default([2, 2, 8]).describe('Transformer blocks of each level'),
    num_heads: levels.default([4, 8, 16]).describe('Heads of each level'),
    embed_dim: levels.default([128, 256, 512]).describe('Channels of each level'),
    window_size: z.unknown().optional().describe('Not used'),
    norm_name: normOption.prefault('instance').describe('Normalization'),
    conv_block: z.boolean().optional().describe('Not used'),
    res_block: z.boolean().default(true).describe('Add the input of each block to its output'),
    dropout_rate: dropoutRate,
    drop_rate: dropoutRate,
    attn_drop_rate: dropoutRate,
  },
  check: ({ embed_dim, num_heads, img_size }) => [
    ...embed_dim
      .map((channels, level) => [channels, num_heads[level]] as const)
      .filter(([channels, heads]) => channels % heads !== 0)
      .map(([channels, heads]) => `embed_dim has ${channels}, which must divide by its ${heads} heads`),
    ...(img_size?.some((size) => size !== 96)
      ? [`img_size is [${img_size.join(', ')}], but must be 96`]
      : []),
  ],
  size: () => [96, 96, 96],
  build: (net, input, config) => {
    const { embed_dim, norm_name: norm, res_block: residual } = config;
    const f = config.feature_size ?? embed_dim[0] / 8;
    const [embedded, ...results] = nest(net, input, config);

    const block = (name: string, x: string, inputs: number, outputs: number) =>
      unetBlock(net, `${name}.layer`, x, { inputs, outputs, norm, residual });
    const up = (name: string, x: string, skip: string, inputs: number, outputs: number) =>
      unetrUpBlock(net, name, x, skip, { inputs, outputs, norm, residual });
    const enc1 = block('encoder1', input, config.in_channels, 2 * f);
    const doubled = upConv(net, 'encoder2.transp_conv_init', embedded, {
      inputs: embed_dim[0],
      outputs: 4 * f,
    });
    const enc2 = upConv(net, 'encoder2.blocks.0', doubled, { inputs: 4 * f, outputs: 4 * f, kernel: ones });
    const enc3 = block('encoder3', results[0], embed_dim[0], 8 * f);
    const enc4 = block('encoder4', results[1], embed_dim[1], 16 * f);
    const bottom = convolution(
      net,
      'encoder10',
      channelNorm(net, 'nestViT.norm', results[2], embed_dim[2], eps),
      {
        inputs: embed_dim[2],
        outputs: 64 * f,
        kernel: threes,
        stride: twos,
        bias: true,
        adn: bottomAdn,
      },
    );
    const dec4 = up('decoder5', bottom, results[2], 64 * f, 32 * f);
    const dec3 = up('decoder4', dec4, enc4, 32 * f, 16 * f);
    const dec2 = up('decoder3', dec3, enc3, 16 * f, 8 * f);
    const dec1 = up('decoder2', dec2, enc2, 8 * f, 4 * f);
    const dec0 = up('decoder1', dec1, enc1, 4 * f, 2 * f);
    const head = { inputs: 2 * f, outputs: config.out_channels, kernel: ones, bias: true };
    return conv(net, 'out.conv.conv', dec0, head);
  },
});

const instance: Norm = { kind: 'instance', affine: false, track_running_stats: false, eps: 1e-5 };
/** Here the activation comes first. */
const bottomAdn: Adn = { norm: instance, act: { kind: 'prelu', num_parameters: 1 }, ordering: 'ADN' };

interface NestConfig {
  readonly in_channels: number;
  readonly embed_dim: readonly number[];
  readonly depths: readonly number[];
  readonly num_heads: readonly number[];
}

/**
 * The hierarchical transformer: the tokens of the patches and the results of its levels, as volumes of
 * channels.
 */
function nest(net: NetworkBuilder, input: string, config: NestConfig): string[] {
  const { embed_dim, depths, num_heads } = config;
  const kernel = [4, 4, 4] as const;
  const layer = {
    inputs: config.in_channels,
    outputs: embed_dim[0],
    kernel,
    stride: kernel,
    padding: zeros,
    bias: true,
  };
  let x = conv(net, 'nestViT.patch_embed.proj', input, layer);
  const results = [x];
  for (const [level, channels] of embed_dim.entries()) {
    const name = `nestViT.levels.${level}`;
    const size = 24 / 2 ** level;
    const sizes = eachAxis(() => size);
    const windows = windowsOf(sizes, window, false);
    const count = windows.counts[0] ** 3;
    const tokens = 6 ** 3;
    if (level > 0) x = pool(net, `${name}.pool`, x, embed_dim[level - 1], channels);
    const blocks = partition(net, channelsLast(net, x), sizes, channels, windows);
    const places = net.parameter(`${name}.pos_embed`, [1, count, tokens, channels], 0);
    let y = net.ops.reshape(add(net, net.ops.reshape(blocks, [-1, count, tokens, channels]), places), [
      -1,
      tokens,
      channels,
    ]);
    for (let i = 0; i < depths[level]; i++) {
      y = transformerBlock(net, `${name}.transformer_encoder.${i}`, y, tokens, channels, num_heads[level]);
    }
    x = channelsFirst(net, join(net, y, sizes, channels, windows));
    results.push(x);
  }
  return results;
}

/** Half the sizes: a convolution, a layer norm over the channels and a maximum of 3x3x3 voxels. */
function pool(net: NetworkBuilder, name: string, input: string, inputs: number, outputs: number): string {
  const x = conv(net, `${name}.conv`, input, { inputs, outputs, kernel: threes, bias: true });
  const normal = channelNorm(net, `${name}.norm`, x, outputs, eps);
  return net.node(name, 'MaxPool', [normal], {
    kernel_shape: threes,
    strides: twos,
    pads: [1, 1, 1, 1, 1, 1],
  });
}

function transformerBlock(
  net: NetworkBuilder,
  name: string,
  input: string,
  tokens: number,
  channels: number,
  heads: number,
): string {
  const wide = { inputs: channels, outputs: 3 * channels, bias: true };
  const qkv = linear(net, `${name}.attn.qkv`, layerNorm(net, `${name}.norm1`, input, channels, eps), wide);
  const result = attend(net, qkv, { tokens, channels, heads, headsFastest: true });
  const out = { inputs: channels, outputs: channels, bias: true };
  const x = add(net, input, linear(net, `${name}.attn.proj`, result, out));
  const names = [`${name}.mlp.fc1`, `${name}.mlp.fc2`] as const;
  const normal = layerNorm(net, `${name}.norm2`, x, channels, eps);
  return add(net, x, mlp(net, normal, { channels, hidden: 4 * channels, names }));
}
