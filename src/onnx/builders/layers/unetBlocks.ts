import type { Act, Axes, Norm } from '../config.js';
import type { NetworkBuilder } from '../networkBuilder.js';
import { act } from './act.js';
import { conv, convTranspose, ones, threes, twos, zeros } from './conv.js';
import { add, concat } from './join.js';
import { norm } from './norm.js';

const leakyRelu: Act = { kind: 'leakyrelu', negative_slope: 0.01 };

export interface UnetBlockOptions {
  readonly inputs: number;
  readonly outputs: number;
  /** Default: 3 along every axis. */
  readonly kernel?: Axes;
  /** Default: 1 along every axis. */
  readonly stride?: Axes;
  readonly norm: Norm;
  /** Default: a leaky ReLU of slope 0.01. */
  readonly act?: Act;
  /** Whether the input is added to the result: a `UnetResBlock`, and not a `UnetBasicBlock`. */
  readonly residual: boolean;
}

/**
 * MONAI's `UnetBasicBlock` or `UnetResBlock`: two convolutions without biases (`NAME.conv1.conv`,
 * `NAME.conv2.conv`), each with a normalization, and a third one for the input where channels or sizes
 * change.
 */
export function unetBlock(
  net: NetworkBuilder,
  name: string,
  input: string,
  options: UnetBlockOptions,
): string {
  const { inputs, outputs, kernel = threes, stride = ones, residual } = options;
  const part = (number: number, x: string, channels: number, size: Axes, step: Axes) => {
    const layer = { inputs: channels, outputs, kernel: size, stride: step, bias: false };
    const y = conv(net, `${name}.conv${number}.conv`, x, { ...layer, padding: paddingOf(size, step) });
    return norm(net, `${name}.norm${number}`, y, outputs, options.norm);
  };
  const activate = (x: string) => act(net, `${name}.lrelu`, x, options.act ?? leakyRelu);
  const first = activate(part(1, input, inputs, kernel, stride));
  const second = part(2, first, outputs, kernel, ones);
  if (!residual) return activate(second);
  const same = inputs === outputs && stride.every((step) => step === 1);
  return activate(add(net, second, same ? input : part(3, input, inputs, ones, stride)));
}

/**
 * The transposed convolution of MONAI's `get_conv_layer`, kernel and stride alike: `NAME.conv`, without a
 * bias.
 */
export function upConv(
  net: NetworkBuilder,
  name: string,
  input: string,
  options: {
    readonly inputs: number;
    readonly outputs: number;
    readonly kernel?: Axes;
    readonly bias?: boolean;
  },
): string {
  const { inputs, outputs, kernel = twos, bias = false } = options;
  const layer = { inputs, outputs, kernel, stride: kernel, padding: zeros, bias };
  return convTranspose(net, `${name}.conv`, input, layer);
}

/**
 * MONAI's `UnetrUpBlock`: doubles the sizes (`NAME.transp_conv`), joins the skip and runs `NAME.conv_block`.
 */
export function unetrUpBlock(
  net: NetworkBuilder,
  name: string,
  input: string,
  skip: string,
  options: {
    readonly inputs: number;
    readonly outputs: number;
    readonly norm: Norm;
    readonly residual: boolean;
  },
): string {
  const { inputs, outputs } = options;
  const doubled = upConv(net, `${name}.transp_conv`, input, { inputs, outputs });
  const joined = concat(net, [doubled, skip]);
  return unetBlock(net, `${name}.conv_block`, joined, { ...options, inputs: 2 * outputs });
}

/** MONAI's `get_padding`: half of what the kernel has more than the stride, rounded down. */
function paddingOf(kernel: Axes, stride: Axes): Axes {
  const half = (axis: number) => Math.floor((kernel[axis] - stride[axis] + 1) / 2);
  return [half(0), half(1), half(2)];
}
