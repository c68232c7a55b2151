import { z } from 'zod';
import { show } from '../../../errors.js';
import {
  type Axes,
  actOption,
  adnOrdering,
  channelCount,
  dropout,
  inChannels,
  normOption,
  outChannels,
  perAxis,
  spatialDims,
} from '../config.js';
import { type Adn, conv, convolution, ones } from '../layers/conv.js';
import { add, concat } from '../layers/join.js';
import { network } from '../network.js';
import type { NetworkBuilder } from '../networkBuilder.js';

/**
 * MONAI's `UNet`. Source: Kerfoot et al., "Left-ventricle quantification using residual U-Net", 2018, and
 * MONAI 1.3's names and defaults.
 */
export const unet = network({
  name: 'UNet',
  summary:
    'Per level one residual unit (or convolution) down and a transposed convolution up, joined by concatenation.',
  example: {
    in_channels: 1,
    out_channels: 2,
    channels: [16, 32, 64, 128, 256],
    strides: [2, 2, 2, 2],
    num_res_units: 2,
    norm: 'batch',
  },
  options: {
    spatial_dims: spatialDims,
    in_channels: inChannels,
    out_channels: outChannels,
    channels: z.array(channelCount).min(2).describe('Channels of each level'),
    strides: z
      .array(perAxis)
      .min(1)
      .describe('Stride of each level but the last; MONAI ignores any that follow'),
    kernel_size: perAxis.prefault(3).describe('Kernel of convolutions'),
    up_kernel_size: perAxis.prefault(3).describe('Kernel of transposed convolutions'),
    num_res_units: z
      .int()
      .min(0)
      .max(65_536)
      .default(0)
      .describe('Convolutions of a residual unit; 0: no residual units'),
    act: actOption.nullable().prefault('prelu').describe('Activation'),
    norm: normOption.nullable().prefault('instance').describe('Normalization'),
    dropout,
    bias: z.boolean().default(true).describe('Whether convolutions have a bias'),
    adn_ordering: adnOrdering.default('NDA').describe('Order of normalization, dropout and activation'),
  },
  check: (config) => {
    const { channels, strides } = config;
    const faults: string[] = [];
    if (strides.length < channels.length - 1) {
      const needed = `${channels.length} channels need ${channels.length - 1}`;
      faults.push(`strides has ${strides.length} entries, but ${needed}`);
    }
    for (const key of ['kernel_size', 'up_kernel_size'] as const) {
      if (config[key].some((size) => size % 2 === 0)) {
        faults.push(`${key} is ${show(config[key])}, but must be odd along every axis`);
      }
    }
    return faults;
  },
  build: (net, input, config) => {
    const adn: Adn = { norm: config.norm, act: config.act, ordering: config.adn_ordering };
    const parts: Parts = { net, adn, bias: config.bias, kernel: config.kernel_size };
    const { channels, strides, num_res_units: units } = config;

    const down = (name: string, x: string, inputs: number, outputs: number, stride: Axes) =>
      units > 0
        ? residualUnit(parts, name, x, { inputs, outputs, stride, units, lastConvOnly: false })
        : convolution(net, name, x, { ...parts, inputs, outputs, stride });

    const up = (name: string, x: string, inputs: number, outputs: number, stride: Axes, isTop: boolean) => {
      const convOnly = isTop && units === 0;
      const doubled = convolution(net, units > 0 ? `${name}.0` : name, x, {
        ...parts,
        ...(convOnly ? { adn: undefined } : {}),
        kernel: config.up_kernel_size,
        transposed: true,
        inputs,
        outputs,
        stride,
      });
      if (units === 0) return doubled;
      const options = { inputs: outputs, outputs, stride: ones, units: 1, lastConvOnly: isTop };
      return residualUnit(parts, `${name}.1`, doubled, options);
    };

    const block = (name: string, x: string, inputs: number, outputs: number, level: number): string => {
      const [own, below] = [channels[level], channels[level + 1]];
      const skip = down(`${name}.0`, x, inputs, own, strides[level]);
      const isLast = level + 2 === channels.length;
      const inner = isLast
        ? down(`${name}.1.submodule`, skip, own, below, ones)
        : block(`${name}.1.submodule`, skip, own, own, level + 1);
      const joined = concat(net, [skip, inner]);
      return up(`${name}.2`, joined, own + (isLast ? below : own), outputs, strides[level], level === 0);
    };
    return block('model', input, config.in_channels, config.out_channels, 0);
  },
});

/** What all layers of a network share. */
interface Parts {
  readonly net: NetworkBuilder;
  readonly adn: Adn;
  readonly bias: boolean;
  readonly kernel: Axes;
}

/**
 * MONAI's `ResidualUnit`: convolution blocks in a row, the first with the stride, and the input added to
 * their result, through a separate convolution where channels or sizes change.
 */
function residualUnit(
  { net, adn, bias, kernel }: Parts,
  name: string,
  input: string,
  options: {
    readonly inputs: number;
    readonly outputs: number;
    readonly stride: Axes;
    readonly units: number;
    /** The last block is the convolution alone. */
    readonly lastConvOnly: boolean;
  },
): string {
  const { inputs, outputs, stride, units, lastConvOnly } = options;
  let x = input;
  for (let unit = 0; unit < units; unit++) {
    x = convolution(net, `${name}.conv.unit${unit}`, x, {
      inputs: unit === 0 ? inputs : outputs,
      outputs,
      kernel,
      stride: unit === 0 ? stride : ones,
      bias,
      adn: lastConvOnly && unit === units - 1 ? undefined : adn,
    });
  }
  const strided = stride.some((step) => step !== 1);
  if (!strided && inputs === outputs) return add(net, x, input);
  const own = { inputs, outputs, kernel: strided ? kernel : ones, stride, bias };
  return add(net, x, conv(net, `${name}.residual`, input, own));
}
