import { z } from 'zod';
import { show } from '../../../errors.js';
import {
  type Act,
  type Axes,
  channelCount,
  dropoutRate,
  inChannels,
  type Norm,
  outChannels,
  perAxis,
  spatialDims,
} from '../config.js';
import { type Adn, conv, convolution, defaultAdn, ones, threes } from '../layers/conv.js';
import { add, concat } from '../layers/join.js';
import { norm } from '../layers/norm.js';
import { isBefore, monaiVersion } from '../monaiVersion.js';
import { network } from '../network.js';
import type { NetworkBuilder } from '../networkBuilder.js';

const batch: Norm = { kind: 'batch', affine: true, track_running_stats: true, eps: 1e-5 };
const relu: Act = { kind: 'relu' };
const adn: Adn = { norm: batch, act: relu, ordering: 'NDA' };

/**
 * MONAI's `AttentionUnet`. Source: Oktay et al., "Attention U-Net: learning where to look for the pancreas",
 * 2018, and MONAI 1.3's names and defaults.
 */
export const attentionUnet = network({
  name: 'AttentionUnet',
  summary: 'A U-Net whose skips are weighted by gates that look at the level below.',
  example: { in_channels: 1, out_channels: 2, channels: [16, 32, 64, 128], strides: [2, 2, 2] },
  options: {
    spatial_dims: spatialDims,
    in_channels: inChannels,
    out_channels: outChannels,
    channels: z.array(channelCount).min(2).describe('Channels of each level'),
    strides: z.array(perAxis).min(1).describe('Stride of each level but the last'),
    kernel_size: perAxis.prefault(3).describe('Kernel of convolutions'),
    up_kernel_size: perAxis.prefault(3).describe('Kernel of transposed convolutions'),
    dropout: dropoutRate,
    monai_version: monaiVersion,
  },
  check: ({ channels, strides, kernel_size, up_kernel_size }) => {
    const faults: string[] = [];
    if (strides.length < channels.length - 1) {
      const needed = `${channels.length} channels need ${channels.length - 1}`;
      faults.push(`strides has ${strides.length} entries, but ${needed}`);
    }
    for (const [key, kernel] of Object.entries({ kernel_size, up_kernel_size })) {
      if (kernel.some((size) => size % 2 === 0)) {
        faults.push(`${key} is ${show(kernel)}, but must be odd along every axis`);
      }
    }
    return faults;
  },
  build: (net, input, config) => {
    const { channels, strides, kernel_size: kernel } = config;
    // Kernels and strides on the way up were fixed, whatever the configuration said.
    const old = isBefore(config.monai_version, '1.1');
    const upKernel = old ? threes : config.up_kernel_size;

    const twoConvs = (name: string, x: string, inputs: number, outputs: number, stride: Axes) => {
      const first = convolution(net, `${name}.conv.0`, x, {
        inputs,
        outputs,
        kernel,
        stride,
        bias: true,
        adn,
      });
      return convolution(net, `${name}.conv.1`, first, { inputs: outputs, outputs, kernel, bias: true, adn });
    };

    const level = (name: string, x: string, i: number): string => {
      const [own, below] = [channels[i], channels[i + 1]];
      const isLast = i + 2 === channels.length;
      const inner = isLast
        ? twoConvs(`${name}.submodule`, x, own, below, strides[i])
        : level(`${name}.submodule.1`, twoConvs(`${name}.submodule.0`, x, own, below, strides[i]), i + 1);
      const up = { inputs: below, outputs: own, kernel: upKernel, bias: true, adn, transposed: true };
      const gate = convolution(net, `${name}.upconv.up`, inner, {
        ...up,
        stride: old ? [2, 2, 2] : strides[i],
      });
      const weighted = gated(net, `${name}.attention`, x, gate, own);
      const merge = { inputs: 2 * own, outputs: own, kernel: threes, bias: true, adn: defaultAdn };
      return convolution(net, `${name}.merge`, concat(net, [weighted, gate]), merge);
    };

    const first = twoConvs('model.0', input, config.in_channels, channels[0], ones);
    const last = { inputs: channels[0], outputs: config.out_channels, kernel: ones, bias: true };
    return conv(net, 'model.2.conv', level('model.1', first, 0), last);
  },
});

/** `x` times a weight from 0 to 1 for each voxel, which depends on `x` and on `gate`. */
function gated(net: NetworkBuilder, name: string, x: string, gate: string, channels: number): string {
  const inner = Math.floor(channels / 2);
  const part = (module: string, from: string, inputs: number, outputs: number) => {
    const y = conv(net, `${name}.${module}.0.conv`, from, { inputs, outputs, kernel: ones, bias: true });
    return norm(net, `${name}.${module}.1`, y, outputs, batch);
  };
  const sum = add(net, part('W_g', gate, channels, inner), part('W_x', x, channels, inner));
  const weight = part('psi', net.node(name, 'Relu', [sum]), inner, 1);
  return net.ops.mul(x, net.node(name, 'Sigmoid', [weight]));
}
