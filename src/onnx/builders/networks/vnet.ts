import { z } from 'zod';
import {
  type Act,
  actOption,
  dropoutRate,
  inChannels,
  type Norm,
  outChannels,
  spatialDims,
} from '../config.js';
import { act } from '../layers/act.js';
import { conv, convolution, convTranspose, ones, twos, zeros } from '../layers/conv.js';
import { add, concat } from '../layers/join.js';
import { norm } from '../layers/norm.js';
import { network } from '../network.js';

const batch: Norm = { kind: 'batch', affine: true, track_running_stats: true, eps: 1e-5 };
const adn = { norm: batch, act: null, ordering: 'NDA' };
const kernel = [5, 5, 5] as const;

/** An activation; "prelu" without options has a slope for each channel. */
const actPerChannel = z.union([z.literal('prelu').transform((): 'perChannel' => 'perChannel'), actOption]);
type ActPerChannel = z.output<typeof actPerChannel>;

/**
 * MONAI's `VNet`. Source: Milletari et al., "V-Net: fully convolutional neural networks for volumetric
 * medical image segmentation", 2016, and MONAI 1.3's names and defaults.
 */
export const vnet = network({
  name: 'VNet',
  summary: 'Residual blocks of 5x5x5 convolutions in five levels of 16 to 256 channels.',
  example: { in_channels: 1, out_channels: 2 },
  options: {
    spatial_dims: spatialDims,
    in_channels: inChannels.default(1).describe('Channels of the image'),
    out_channels: outChannels.default(1).describe('Channels of the output: one for each class'),
    act: actPerChannel.prefault(['elu', { inplace: true }]).describe('Activation'),
    dropout_prob: dropoutRate,
    dropout_prob_down: dropoutRate,
    dropout_prob_up: z
      .array(z.number().min(0).max(1))
      .optional()
      .describe('Probabilities of dropout, which does nothing at inference'),
    dropout_dim: z.int().min(0).max(3).optional().describe('Only used in training'),
    bias: z.boolean().default(false).describe('Whether convolutions of the encoder have biases'),
  },
  check: ({ in_channels: inputs }) =>
    16 % inputs === 0 ? [] : [`in_channels is ${inputs}, but must divide 16`],
  build: (net, input, config) => {
    const { in_channels: inputs, out_channels: outputs, bias } = config;
    const activate = (name: string, x: string, channels: number) =>
      act(net, name, x, actOf(config.act, channels));
    const block = (name: string, x: string, channels: number, count: number, withBias: boolean) => {
      let y = x;
      for (let i = 0; i < count; i++) {
        const layer = { inputs: channels, outputs: channels, kernel, bias: withBias, adn };
        y = convolution(net, `${name}.ops.${i}.conv_block`, y, layer);
        y = activate(`${name}.ops.${i}.act_function`, y, channels);
      }
      return activate(`${name}.act_function2`, add(net, y, x), channels);
    };
    const down = (name: string, x: string, channels: number, count: number) => {
      const half = {
        inputs: channels / 2,
        outputs: channels,
        kernel: twos,
        stride: twos,
        padding: zeros,
        bias,
      };
      const y = norm(net, `${name}.bn1`, conv(net, `${name}.down_conv`, x, half), channels, batch);
      return block(name, activate(`${name}.act_function1`, y, channels), channels, count, bias);
    };
    const up = (name: string, x: string, skip: string, from: number, channels: number, count: number) => {
      const half = channels / 2;
      const double = { inputs: from, outputs: half, kernel: twos, stride: twos, padding: zeros, bias: true };
      const y = norm(net, `${name}.bn1`, convTranspose(net, `${name}.up_conv`, x, double), half, batch);
      const joined = concat(net, [activate(`${name}.act_function1`, y, half), skip]);
      return block(name, joined, channels, count, false);
    };

    const first = { inputs, outputs: 16, kernel, bias, adn };
    const repeated = concat(net, Array<string>(16 / inputs).fill(input));
    const x0 = convolution(net, 'in_tr.conv_block', input, first);
    const x16 = activate('in_tr.act_function', add(net, x0, repeated), 16);
    const x32 = down('down_tr32', x16, 32, 1);
    const x64 = down('down_tr64', x32, 64, 2);
    const x128 = down('down_tr128', x64, 128, 3);
    const x256 = down('down_tr256', x128, 256, 2);
    const y256 = up('up_tr256', x256, x128, 256, 256, 2);
    const y128 = up('up_tr128', y256, x64, 256, 128, 2);
    const y64 = up('up_tr64', y128, x32, 128, 64, 1);
    const y32 = up('up_tr32', y64, x16, 64, 32, 1);
    const last = convolution(net, 'out_tr.conv_block', y32, { inputs: 32, outputs, kernel, bias, adn });
    const final = { inputs: outputs, outputs, kernel: ones, bias: true };
    return conv(net, 'out_tr.conv2', activate('out_tr.act_function1', last, outputs), final);
  },
});

function actOf(kind: ActPerChannel, channels: number): Act {
  return kind === 'perChannel' ? { kind: 'prelu', num_parameters: channels } : kind;
}
