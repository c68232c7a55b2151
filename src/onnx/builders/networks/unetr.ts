import { z } from 'zod';
import {
  type Axes,
  channelCount,
  dropoutRate,
  inChannels,
  normOption,
  outChannels,
  perAxis,
  spatialDims,
} from '../config.js';
import { conv, ones, zeros } from '../layers/conv.js';
import { add } from '../layers/join.js';
import { attend, channelsFirst, layerNorm, linear, mlp } from '../layers/transformer.js';
import { unetBlock, unetrUpBlock, upConv } from '../layers/unetBlocks.js';
import { network } from '../network.js';
import type { NetworkBuilder } from '../networkBuilder.js';

/** Voxels of a patch along each axis. */
const patch = 16;

const projection = z.enum(['conv', 'perceptron']);

/**
 * MONAI's `UNETR`. Source: Hatamizadeh et al., "UNETR: transformers for 3D medical image segmentation", 2022,
 * and MONAI
 * 1.3's names and defaults.
 */
export const unetr = network({
  name: 'UNETR',
  summary: 'A vision transformer on patches of 16x16x16 voxels, whose layers feed a convolutional decoder.',
  example: { in_channels: 1, out_channels: 2, img_size: [96, 96, 96] },
  options: {
    in_channels: inChannels,
    out_channels: outChannels,
    img_size: perAxis.describe('Size of the windows; the network takes no others'),
    feature_size: channelCount.default(16).describe('Channels of the first level'),
    hidden_size: channelCount.default(768).describe('Features of a token'),
    mlp_dim: channelCount.default(3072).describe('Hidden features of an MLP'),
    num_heads: channelCount.default(12).describe('Heads of the attention'),
    proj_type: projection.default('conv').describe('How patches become tokens'),
    pos_embed: projection.optional().describe('The name of proj_type before MONAI 1.3'),
    norm_name: normOption.prefault('instance').describe('Normalization'),
    conv_block: z.boolean().default(true).describe('Convolutions in the blocks between encoder and decoder'),
    res_block: z.boolean().default(true).describe('Add the input of each block to its output'),
    dropout_rate: dropoutRate,
    spatial_dims: spatialDims,
    qkv_bias: z.boolean().default(false).describe('Whether queries, keys and values have a bias'),
    save_attn: z.boolean().optional().describe('Not used'),
  },
  check: ({ img_size, hidden_size, num_heads }) => {
    const faults: string[] = [];
    if (img_size.some((size) => size % patch !== 0)) {
      faults.push(`img_size is [${img_size.join(', ')}], but must divide by ${patch} along every axis`);
    }
    if (hidden_size % num_heads !== 0) {
      faults.push(`hidden_size is ${hidden_size}, but must divide by num_heads, which is ${num_heads}`);
    }
    return faults;
  },
  size: ({ img_size }) => img_size,
  build: (net, input, config) => {
    const { feature_size: f, hidden_size: hidden, norm_name: norm, res_block: residual, img_size } = config;
    const grid: Axes = [img_size[0] / patch, img_size[1] / patch, img_size[2] / patch];
    const { layers, last } = vit(net, input, config, grid);
    const volume = (tokens: string) => channelsFirst(net, net.ops.reshape(tokens, [-1, ...grid, hidden]));

    const first = { inputs: config.in_channels, outputs: f, norm, residual };
    const enc1 = unetBlock(net, 'encoder1.layer', input, first);
    const skip = (name: string, tokens: string, outputs: number, count: number) => {
      let x = upConv(net, `${name}.transp_conv_init`, volume(tokens), { inputs: hidden, outputs });
      for (let i = 0; i < count; i++) {
        const same = { inputs: outputs, outputs };
        if (!config.conv_block) x = upConv(net, `${name}.blocks.${i}`, x, same);
        else {
          x = upConv(net, `${name}.blocks.${i}.0`, x, same);
          x = unetBlock(net, `${name}.blocks.${i}.1`, x, { ...same, norm, residual });
        }
      }
      return x;
    };
    const enc2 = skip('encoder2', layers[3], 2 * f, 2);
    const enc3 = skip('encoder3', layers[6], 4 * f, 1);
    const enc4 = skip('encoder4', layers[9], 8 * f, 0);
    const up = (name: string, x: string, other: string, inputs: number, outputs: number) =>
      unetrUpBlock(net, name, x, other, { inputs, outputs, norm, residual });
    const dec4 = up('decoder5', volume(last), enc4, hidden, 8 * f);
    const dec3 = up('decoder4', dec4, enc3, 8 * f, 4 * f);
    const dec2 = up('decoder3', dec3, enc2, 4 * f, 2 * f);
    const dec1 = up('decoder2', dec2, enc1, 2 * f, f);
    const head = { inputs: f, outputs: config.out_channels, kernel: ones, bias: true };
    return conv(net, 'out.conv.conv', dec1, head);
  },
});

interface VitConfig {
  readonly in_channels: number;
  readonly hidden_size: number;
  readonly mlp_dim: number;
  readonly num_heads: number;
  readonly qkv_bias: boolean;
  readonly proj_type: 'conv' | 'perceptron';
  readonly pos_embed?: 'conv' | 'perceptron';
}

/** MONAI's `ViT`: tokens [N, X Y Z, hidden] after each of its twelve blocks, and the last ones normalized. */
function vit(
  net: NetworkBuilder,
  input: string,
  config: VitConfig,
  grid: Axes,
): { layers: string[]; last: string } {
  const { hidden_size: channels, num_heads: heads } = config;
  const tokens = grid[0] * grid[1] * grid[2];
  const embedding = 'vit.patch_embedding';
  const patches = patchEmbedding(net, `${embedding}.patch_embeddings`, input, config);
  const moved = net.ops.transpose(net.ops.reshape(patches, [-1, channels, tokens]), [0, 2, 1]);
  const places = net.parameter(`${embedding}.position_embeddings`, [1, tokens, channels], 0);
  let x = add(net, moved, places);
  const layers: string[] = [];
  for (let i = 0; i < 12; i++) {
    const name = `vit.blocks.${i}`;
    const normal = layerNorm(net, `${name}.norm1`, x, channels);
    const wide = { inputs: channels, outputs: 3 * channels, bias: config.qkv_bias };
    const result = attend(net, linear(net, `${name}.attn.qkv`, normal, wide), { tokens, channels, heads });
    const out = { inputs: channels, outputs: channels, bias: true };
    x = add(net, x, linear(net, `${name}.attn.out_proj`, result, out));
    const names = [`${name}.mlp.linear1`, `${name}.mlp.linear2`] as const;
    const second = layerNorm(net, `${name}.norm2`, x, channels);
    x = add(net, x, mlp(net, second, { channels, hidden: config.mlp_dim, names }));
    layers.push(x);
  }
  // Parts of MONAI 0.6 to 0.8, and since 1.4, that are not used.
  net.ignore((name) => name === `${embedding}.cls_token`);
  net.ignore((name) => /^vit\.blocks\.\d+\.(norm_cross_attn|cross_attn)\./.test(name));
  return { layers, last: layerNorm(net, 'vit.norm', x, channels) };
}

/**
 * Patches as tokens [N, hidden, X / 16, Y / 16, Z / 16]; a linear layer over a patch is a convolution, too.
 */
function patchEmbedding(net: NetworkBuilder, name: string, input: string, config: VitConfig): string {
  const { in_channels: inputs, hidden_size: outputs } = config;
  const kernel = [patch, patch, patch] as const;
  const layer = { inputs, outputs, kernel, stride: kernel, padding: zeros, bias: true };
  if ((config.pos_embed ?? config.proj_type) === 'conv') return conv(net, name, input, layer);
  const voxels = patch ** 3;
  const fanIn = inputs * voxels;
  const start = { part: 'kernel', fanIn } as const;
  const dims = [outputs, inputs, ...kernel];
  const weight = net.derived(`${name}.1.weight`, [outputs, fanIn], start, dims, (values) => {
    // Of a patch's values, the channel is fastest.
    const out = new Float32Array(values.length);
    for (let o = 0; o < outputs; o++) {
      for (let v = 0; v < voxels; v++) {
        for (let c = 0; c < inputs; c++) {
          out[(o * inputs + c) * voxels + v] = values[(o * voxels + v) * inputs + c];
        }
      }
    }
    return out;
  });
  const bias = net.parameter(`${name}.1.bias`, [outputs], { part: 'bias', fanIn });
  return net.node(name, 'Conv', [input, weight, bias], { kernel_shape: kernel, strides: kernel });
}
