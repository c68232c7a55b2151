import { z } from 'zod';
import { channelCount, eachAxis, inChannels, type Norm, outChannels, spatialDims } from '../config.js';
import { act } from '../layers/act.js';
import { conv, convTranspose, ones, twos } from '../layers/conv.js';
import { add } from '../layers/join.js';
import { norm } from '../layers/norm.js';
import { network } from '../network.js';
import type { NetworkBuilder } from '../networkBuilder.js';

const ratios = z.union([channelCount, z.array(channelCount)]);

/**
 * MONAI's `MedNeXt`, without its heads for deep supervision. Source: Roy et al., "MedNeXt: transformer-driven
 * scaling of ConvNets for medical image segmentation", 2023, and MONAI 1.5's names and defaults.
 */
export const medNeXt = network({
  name: 'MedNeXt',
  summary: 'Blocks of a depthwise convolution and two 1x1x1 ones, in a U-Net whose skips are added.',
  example: { in_channels: 1, out_channels: 2, kernel_size: 3, use_residual_connection: true },
  options: {
    spatial_dims: spatialDims,
    init_filters: channelCount.default(32).describe('Channels of the first level; each level doubles them'),
    in_channels: inChannels.default(1).describe('Channels of the image'),
    out_channels: outChannels.default(2).describe('Channels of the output: one for each class'),
    encoder_expansion_ratio: ratios
      .default(2)
      .describe('How many times wider blocks are inside, in the encoder'),
    decoder_expansion_ratio: ratios
      .default(2)
      .describe('How many times wider blocks are inside, in the decoder'),
    bottleneck_expansion_ratio: channelCount
      .default(2)
      .describe('Expansion of channels in the blocks of the bottom level'),
    kernel_size: channelCount.default(7).describe('Kernel of convolutions'),
    deep_supervision: z.boolean().default(false).describe('Only used in training'),
    use_residual_connection: z
      .boolean()
      .default(false)
      .describe('Whether blocks that change sizes have a residual connection'),
    blocks_down: z.array(channelCount).default([2, 2, 2, 2]).describe('Blocks of each encoder level'),
    blocks_bottleneck: channelCount.default(2).describe('Blocks of the bottom level'),
    blocks_up: z.array(channelCount).default([2, 2, 2, 2]).describe('Blocks of each decoder level'),
    norm_type: z.literal('group').default('group').describe('Normalization: each channel separately'),
    global_resp_norm: z.boolean().default(false).describe('Global response normalization in each block'),
    grn: z
      .boolean()
      .default(false)
      .describe('Another name of global_resp_norm, in other versions of MedNeXt'),
  },
  check: (config) => {
    const { blocks_down: down, blocks_up: up, kernel_size: kernel } = config;
    const faults: string[] = [];
    if (up.length !== down.length) {
      faults.push(`blocks_up has ${up.length} entries, but blocks_down has ${down.length}`);
    }
    if (kernel % 2 === 0) faults.push(`kernel_size is ${kernel}, but must be odd`);
    for (const key of ['encoder_expansion_ratio', 'decoder_expansion_ratio'] as const) {
      const given = config[key];
      if (typeof given !== 'number' && given.length !== down.length) {
        faults.push(`${key} has ${given.length} entries, but ${down.length} levels need as many`);
      }
    }
    return faults;
  },
  build: (net, input, config) => {
    const {
      init_filters: filters,
      blocks_down: down,
      blocks_up: up,
      use_residual_connection: residual,
    } = config;
    const common = { kernel: config.kernel_size, residual };
    const grn = config.global_resp_norm ? 'global_resp' : config.grn ? 'grn' : undefined;
    const ratio = (given: number | readonly number[], level: number) =>
      typeof given === 'number' ? given : given[level];

    let x = conv(net, 'stem', input, {
      inputs: config.in_channels,
      outputs: filters,
      kernel: ones,
      bias: true,
    });
    const blocks = (name: string, count: number, channels: number, expansion: number) => {
      for (let i = 0; i < count; i++) {
        const y = block(net, `${name}.${i}`, x, {
          ...common,
          inputs: channels,
          outputs: channels,
          expansion,
          grn,
        });
        x = residual ? add(net, x, y) : y;
      }
    };
    const skips: string[] = [];
    for (const [level, count] of down.entries()) {
      const channels = filters * 2 ** level;
      const expansion = ratio(config.encoder_expansion_ratio, level);
      blocks(`enc_stages.${level}`, count, channels, expansion);
      skips.push(x);
      const half = { ...common, inputs: channels, outputs: 2 * channels, expansion };
      x = block(net, `down_blocks.${level}`, x, { ...half, resize: 'down' });
    }
    const bottom = filters * 2 ** down.length;
    blocks('bottleneck', config.blocks_bottleneck, bottom, config.bottleneck_expansion_ratio);
    for (const [i, count] of up.entries()) {
      const channels = filters * 2 ** (up.length - i - 1);
      const expansion = ratio(config.decoder_expansion_ratio, i);
      const double = { ...common, inputs: 2 * channels, outputs: channels, expansion, grn };
      x = add(net, block(net, `up_blocks.${i}`, x, { ...double, resize: 'up' }), skips[up.length - i - 1]);
      blocks(`dec_stages.${i}`, count, channels, expansion);
    }
    net.ignore((name) => name.startsWith('out_blocks.'));
    const last = { inputs: filters, outputs: config.out_channels, kernel: ones, bias: true };
    return convTranspose(net, 'out_0.conv_out', x, last);
  },
});

/** A block; with `resize`, one that halves or doubles sizes, and that adds its input itself. */
function block(
  net: NetworkBuilder,
  name: string,
  input: string,
  options: {
    readonly inputs: number;
    readonly outputs: number;
    readonly expansion: number;
    readonly kernel: number;
    readonly residual: boolean;
    /**
     * What the names of the parameters of its global response normalization begin with. Default: it has none.
     */
    readonly grn?: string;
    readonly resize?: 'up' | 'down';
  },
): string {
  const { inputs, outputs, expansion, resize } = options;
  const size = eachAxis(() => options.kernel);
  const half = eachAxis(() => Math.floor(options.kernel / 2));
  const stride = resize ? twos : ones;
  const depthwise = {
    inputs,
    outputs: inputs,
    kernel: size,
    stride,
    padding: half,
    groups: inputs,
    bias: true,
  };
  const perChannel: Norm = { kind: 'group', num_groups: inputs, affine: true, eps: 1e-5 };
  const convs = resize === 'up' ? convTranspose : conv;
  let x = convs(net, `${name}.conv1`, input, depthwise);
  x = norm(net, `${name}.norm`, x, inputs, perChannel);
  x = conv(net, `${name}.conv2`, x, { inputs, outputs: expansion * inputs, kernel: ones, bias: true });
  x = act(net, `${name}.act`, x, { kind: 'gelu' });
  if (options.grn) x = globalResponse(net, `${name}.${options.grn}`, x, expansion * inputs);
  x = conv(net, `${name}.conv3`, x, { inputs: expansion * inputs, outputs, kernel: ones, bias: true });
  // A zero before each axis makes up for the voxel that a transposed convolution lacks.
  const padded = (y: string) => (resize === 'up' ? net.ops.pad(y, [0, 0, 1, 1, 1, 0, 0, 0, 0, 0]) : y);
  if (!resize || !options.residual) return padded(x);
  const strided = { inputs, outputs, kernel: ones, stride: twos, bias: true };
  return add(net, padded(x), padded(convs(net, `${name}.res_conv`, input, strided)));
}

/** Each channel is weighted by its norm over space, relative to the mean norm of all channels. */
function globalResponse(net: NetworkBuilder, name: string, x: string, channels: number): string {
  const { ops } = net;
  const dims = [1, channels, 1, 1, 1];
  const [gamma, beta] = ['gamma', 'beta'].map((part) => net.parameter(`${name}_${part}`, dims, 0));
  const own = ops.sqrt(ops.sum(ops.square(x), [2, 3, 4]));
  const relative = ops.div(own, ops.shift(ops.mean(own, [1]), 1e-6));
  return ops.add(ops.add(ops.mul(gamma, ops.mul(x, relative)), beta), x);
}
