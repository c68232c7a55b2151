import { sizeOf } from '../../tensor.js';
import type { Act, Axes, Norm } from '../config.js';
import type { WeightStart } from '../freshWeights.js';
import type { NetworkBuilder } from '../networkBuilder.js';
import { act } from './act.js';
import { norm } from './norm.js';

export const ones: Axes = [1, 1, 1];
export const twos: Axes = [2, 2, 2];
export const threes: Axes = [3, 3, 3];
export const zeros: Axes = [0, 0, 0];

/** A convolution: [N, inputs, ...] to [N, outputs, ...]. */
export interface ConvOptions {
  readonly inputs: number;
  readonly outputs: number;
  readonly kernel: Axes;
  /** Default: 1 along every axis. */
  readonly stride?: Axes;
  /**
   * Voxels of zeros before and after each axis. Default: half of the kernel and its dilation, rounded down.
   */
  readonly padding?: Axes;
  /** Zeros after each axis, where they are not as many as before it. Default: `padding`. */
  readonly paddingAfter?: Axes;
  /** Default: 1 along every axis. */
  readonly dilation?: Axes;
  /** Groups of channels that are computed apart. Default: 1. */
  readonly groups?: number;
  readonly bias: boolean;
  /** In new weights, this many outputs in a row have the same kernel. Default: 1. */
  readonly copies?: number;
  /** The weights are those of a 2D layer: they lack the kernel's first axis, which is 1. Default: false. */
  readonly plane?: boolean;
}

/**
 * What follows a convolution: normalization (N), dropout (D) and activation (A), in the order of the letters.
 */
export interface Adn {
  readonly norm: Norm | null;
  readonly act: Act | null;
  readonly ordering: string;
}

/**
 * What MONAI's `Convolution` has behind it when nothing is said: instance norm without parameters, and a
 * PReLU.
 */
export const defaultAdn: Adn = {
  norm: { kind: 'instance', affine: false, track_running_stats: false, eps: 1e-5 },
  act: { kind: 'prelu', num_parameters: 1 },
  ordering: 'NDA',
};

/** `torch.nn.Conv3d`: parameters `NAME.weight` and `NAME.bias`. */
export function conv(net: NetworkBuilder, name: string, input: string, options: ConvOptions): string {
  const {
    inputs,
    outputs,
    kernel,
    stride = ones,
    dilation = ones,
    groups = 1,
    bias,
    copies,
    plane,
  } = options;
  const padding = options.padding ?? halfOf(kernel, dilation);
  const inner = inputs / groups;
  const fanIn = inner * sizeOf(kernel);
  const start = { part: 'kernel', fanIn, copies } as const;
  const weights = [kernelOf(net, name, [outputs, inner], kernel, start, plane)];
  if (bias) weights.push(net.parameter(`${name}.bias`, [outputs], { part: 'bias', fanIn }));
  return net.node(name, 'Conv', [input, ...weights], {
    kernel_shape: kernel,
    strides: stride,
    pads: [...padding, ...(options.paddingAfter ?? padding)],
    ...(groups > 1 && { group: groups }),
    ...(dilation.some((step) => step > 1) && { dilations: dilation }),
  });
}

/**
 * `torch.nn.ConvTranspose3d`: parameters `NAME.weight` and `NAME.bias`. `outputPadding` is added to the end
 * of each axis of the result. Default: 0.
 */
export function convTranspose(
  net: NetworkBuilder,
  name: string,
  input: string,
  options: ConvOptions & { readonly outputPadding?: Axes },
): string {
  const { inputs, outputs, kernel, stride = ones, groups = 1, bias, outputPadding = zeros } = options;
  const padding = options.padding ?? halfOf(kernel, ones);
  const inner = outputs / groups;
  // PyTorch takes the second number of a kernel's shape for its inputs, here too.
  const fanIn = inner * sizeOf(kernel);
  const start = { part: 'kernel', fanIn } as const;
  const weights = [kernelOf(net, name, [inputs, inner], kernel, start, options.plane)];
  if (bias) weights.push(net.parameter(`${name}.bias`, [outputs], { part: 'bias', fanIn }));
  return net.node(name, 'ConvTranspose', [input, ...weights], {
    kernel_shape: kernel,
    strides: stride,
    pads: [...padding, ...padding],
    output_padding: outputPadding,
    ...(groups > 1 && { group: groups }),
  });
}

/** The weights of a convolution, of a shape that begins with two numbers of channels. */
function kernelOf(
  net: NetworkBuilder,
  name: string,
  channels: readonly number[],
  kernel: Axes,
  start: WeightStart,
  plane = false,
): string {
  const stored = plane ? kernel.slice(1) : kernel;
  return net.parameter(`${name}.weight`, [...channels, ...stored], start, [...channels, ...kernel]);
}

/**
 * MONAI's `Convolution`: the convolution (`NAME.conv`) and what follows it (`NAME.adn`), with zeros around it
 * so that sizes are divided by the stride, or multiplied by it where it is transposed.
 */
export function convolution(
  net: NetworkBuilder,
  name: string,
  input: string,
  options: ConvOptions & { readonly transposed?: boolean; readonly adn?: Adn },
): string {
  const { stride = ones, outputs, transposed } = options;
  const outputPadding: Axes = [stride[0] - 1, stride[1] - 1, stride[2] - 1];
  const x = transposed
    ? convTranspose(net, `${name}.conv`, input, { ...options, outputPadding })
    : conv(net, `${name}.conv`, input, options);
  return options.adn ? adn(net, `${name}.adn`, x, outputs, options.adn) : x;
}

/** MONAI's `ADN`: normalization `NAME.N` and activation `NAME.A` in the order of the letters. */
export function adn(net: NetworkBuilder, name: string, input: string, channels: number, parts: Adn): string {
  let x = input;
  for (const letter of parts.ordering.toUpperCase()) {
    if (letter === 'N' && parts.norm) x = norm(net, `${name}.N`, x, channels, parts.norm);
    if (letter === 'A' && parts.act) x = act(net, `${name}.A`, x, parts.act);
  }
  return x;
}

/** The padding that keeps the sizes of odd kernels: MONAI's `same_padding`. */
function halfOf(kernel: Axes, dilation: Axes): Axes {
  const half = (axis: number) => Math.floor(((kernel[axis] - 1) * dilation[axis]) / 2);
  return [half(0), half(1), half(2)];
}
