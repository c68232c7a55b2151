import { z } from 'zod';
import {
  actOption,
  channelCount,
  dropoutRate,
  eachAxis,
  inChannels,
  normOption,
  outChannels,
  spatialDims,
} from '../config.js';
import { act } from '../layers/act.js';
import { type Adn, conv, convolution, ones } from '../layers/conv.js';
import { add } from '../layers/join.js';
import { norm } from '../layers/norm.js';
import { network } from '../network.js';

const layerParams = z.object({
  name: z.string().optional(),
  n_features: channelCount.optional(),
  kernel_size: channelCount.optional().describe('Kernel of convolutions'),
  kernels: z.array(channelCount).optional(),
  repeat: channelCount.optional(),
});

const defaults: z.input<typeof layerParams>[] = [
  { name: 'conv_0', n_features: 16, kernel_size: 3 },
  { name: 'res_1', n_features: 16, kernels: [3, 3], repeat: 3 },
  { name: 'res_2', n_features: 32, kernels: [3, 3], repeat: 3 },
  { name: 'res_3', n_features: 64, kernels: [3, 3], repeat: 3 },
  { name: 'conv_1', n_features: 80, kernel_size: 1 },
  { name: 'conv_2', kernel_size: 1 },
];

/**
 * MONAI's `HighResNet`. Source: Li et al., "On the compactness, efficiency, and representation of 3D
 * convolutional networks: brain parcellation as a pretext task", 2017, and MONAI 1.3's names and defaults.
 */
export const highResNet = network({
  name: 'HighResNet',
  summary: 'Residual blocks of dilated convolutions at full resolution.',
  example: { in_channels: 1, out_channels: 2 },
  options: {
    spatial_dims: spatialDims,
    in_channels: inChannels.default(1).describe('Channels of the image'),
    out_channels: outChannels.default(1).describe('Channels of the output: one for each class'),
    norm_type: normOption.prefault(['batch', { affine: true }]).describe('Normalization'),
    acti_type: actOption.prefault(['relu', { inplace: true }]).describe('Activation'),
    dropout_prob: dropoutRate,
    bias: z.boolean().default(false).describe('Whether convolutions have a bias'),
    layer_params: z
      .array(layerParams)
      .min(3)
      .default(defaults)
      .describe(
        'Features, kernels and repetitions: the first and the last two are convolutions, the others blocks',
      ),
    channel_matching: z
      .enum(['pad', 'project'])
      .default('pad')
      .describe('How the input of a block gets more channels: zeros around them, or a convolution'),
  },
  check: ({ layer_params: layers, channel_matching: matching }) => {
    const faults: string[] = [];
    for (const [i, layer] of layers.entries()) {
      const isBlock = i > 0 && i < layers.length - 2;
      const missing = [
        ...(layer.n_features === undefined && i < layers.length - 1 ? ['n_features'] : []),
        ...(isBlock && layer.kernels === undefined ? ['kernels'] : []),
        ...(isBlock && layer.repeat === undefined ? ['repeat'] : []),
        ...(!isBlock && layer.kernel_size === undefined ? ['kernel_size'] : []),
      ];
      for (const name of missing) faults.push(`layer_params.${i} has no ${name}`);
      const before = layers[i - 1]?.n_features ?? 0;
      if (isBlock && matching === 'pad' && before > (layer.n_features ?? 0)) {
        faults.push(
          `layer_params.${i} has fewer n_features than the one before it, which "pad" cannot match`,
        );
      }
    }
    return faults;
  },
  build: (net, input, config) => {
    const { layer_params: layers, bias, channel_matching: matching } = config;
    const adn: Adn = { norm: config.norm_type, act: config.acti_type, ordering: 'NDA' };
    let x = input;
    let inputs = config.in_channels;
    let index = 0;
    const single = (size: number, outputs: number) => {
      x = convolution(net, `blocks.${index++}`, x, { inputs, outputs, kernel: cube(size), bias, adn });
      inputs = outputs;
    };
    const block = (kernels: readonly number[], outputs: number, dilation: number) => {
      const name = `blocks.${index++}`;
      let y = x;
      let channels = inputs;
      for (const [i, size] of kernels.entries()) {
        y = norm(net, `${name}.layers.${2 * i}.N`, y, channels, config.norm_type);
        y = act(net, `${name}.layers.${2 * i}.A`, y, config.acti_type);
        const layer = { inputs: channels, outputs, kernel: cube(size), dilation: cube(dilation), bias };
        y = conv(net, `${name}.layers.${2 * i + 1}.conv`, y, layer);
        channels = outputs;
      }
      const more = outputs - inputs;
      const before = Math.floor(more / 2);
      if (more !== 0 && matching === 'project') {
        x = conv(net, `${name}.chn_pad.project`, x, { inputs, outputs, kernel: ones, bias: true });
      } else x = net.ops.pad(x, [0, before, 0, 0, 0, 0, more - before, 0, 0, 0]);
      x = add(net, y, x);
      inputs = outputs;
    };
    // The check saw to it that all of these numbers are there.
    const [first, ...others] = layers;
    single(first.kernel_size ?? 1, first.n_features ?? 1);
    for (const [level, { kernels = [], repeat = 1, n_features = 1 }] of others.slice(0, -2).entries()) {
      for (let i = 0; i < repeat; i++) block(kernels, n_features, 2 ** level);
    }
    const [wide, last] = others.slice(-2);
    single(wide.kernel_size ?? 1, wide.n_features ?? 1);
    single(last.kernel_size ?? 1, config.out_channels);
    return x;
  },
});

function cube(size: number) {
  return eachAxis(() => size);
}
