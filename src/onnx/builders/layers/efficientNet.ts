import { type Act, eachAxis, type Norm } from '../config.js';
import type { NetworkBuilder } from '../networkBuilder.js';
import { act } from './act.js';
import { type ConvOptions, conv, ones } from './conv.js';
import { add } from './join.js';
import { norm } from './norm.js';

const batch: Norm = { kind: 'batch', affine: true, track_running_stats: true, eps: 1e-3 };
const swish: Act = { kind: 'swish', alpha: 1 };

/** Width, depth, and the size of images that each network was designed for. */
const scalings = {
  'efficientnet-b0': [1, 1, 224],
  'efficientnet-b1': [1, 1.1, 240],
  'efficientnet-b2': [1.1, 1.2, 260],
  'efficientnet-b3': [1.2, 1.4, 300],
  'efficientnet-b4': [1.4, 1.8, 380],
  'efficientnet-b5': [1.6, 2.2, 456],
  'efficientnet-b6': [1.8, 2.6, 528],
  'efficientnet-b7': [2, 3.1, 600],
  'efficientnet-b8': [2.2, 3.6, 672],
  'efficientnet-l2': [4.3, 5.3, 800],
} as const;

export type EfficientNetName = keyof typeof scalings;
export const efficientNetNames = Object.keys(scalings) as EfficientNetName[];

/** The stacks of blocks: repetitions, kernel, stride, expansion, and channels in and out. */
const stacks = [
  [1, 3, 1, 1, 32, 16],
  [2, 3, 2, 6, 16, 24],
  [2, 5, 2, 6, 24, 40],
  [3, 3, 2, 6, 40, 80],
  [3, 5, 1, 6, 80, 112],
  [4, 5, 2, 6, 112, 192],
  [1, 3, 1, 6, 192, 320],
] as const;

/** The stacks whose results are features: those before sizes are halved, and the last. */
const featureStacks = [0, 1, 2, 4, 6];

/** Channels of the five features, from the finest on. */
export function efficientNetChannels(name: EfficientNetName): number[] {
  const [width] = scalings[name];
  return featureStacks.map((stack) => roundChannels(stacks[stack][5], width));
}

/**
 * MONAI's `EfficientNetEncoder`: five features of 1/2 to 1/32 of the size. Source: Tan and Le, "EfficientNet:
 * rethinking model scaling for convolutional neural networks", 2019.
 */
export function efficientNet(
  net: NetworkBuilder,
  name: string,
  input: string,
  channels: number,
  kind: EfficientNetName,
): string[] {
  const [width, depth, designed] = scalings[kind];
  // Zeros around convolutions are those of the size that the network was designed for, whatever the image's
  // is.
  let size: number = designed;
  const stem = roundChannels(32, width);
  const first = same({ inputs: channels, outputs: stem, size: 3, stride: 2 }, size);
  size = Math.ceil(size / 2);
  let x = conv(net, `${name}._conv_stem`, input, first);
  x = act(net, `${name}._swish`, norm(net, `${name}._bn0`, x, stem, batch), swish);
  const features: string[] = [];
  let index = 0;
  for (const [stack, [repeats, kernel, stride, expansion, from, to]] of stacks.entries()) {
    const outputs = roundChannels(to, width);
    let inputs = roundChannels(from, width);
    for (let i = 0; i < Math.ceil(repeats * depth); i++) {
      const step = i === 0 ? stride : 1;
      const options = { inputs, outputs, kernel, stride: step, expansion, size };
      x = block(net, `${name}._blocks.${stack}.${index++}`, x, options);
      size = Math.ceil(size / step);
      inputs = outputs;
    }
    if (featureStacks.includes(stack)) features.push(x);
  }
  // The head of the classifier.
  net.ignore((known) => ['_conv_head.', '_bn1.', '_fc.'].some((part) => known.startsWith(`${name}.${part}`)));
  return features;
}

/** An inverted bottleneck with squeeze and excitation. */
function block(
  net: NetworkBuilder,
  name: string,
  input: string,
  options: {
    readonly inputs: number;
    readonly outputs: number;
    readonly kernel: number;
    readonly stride: number;
    readonly expansion: number;
    readonly size: number;
  },
): string {
  const { inputs, outputs, kernel, stride, expansion, size } = options;
  const wide = inputs * expansion;
  const activate = (x: string) => act(net, `${name}._swish`, x, swish);
  let x = input;
  if (expansion > 1) {
    x = conv(net, `${name}._expand_conv`, x, { inputs, outputs: wide, kernel: ones, bias: false });
    x = activate(norm(net, `${name}._bn0`, x, wide, batch));
  }
  const depthwise = { ...same({ inputs: wide, outputs: wide, size: kernel, stride }, size), groups: wide };
  x = conv(net, `${name}._depthwise_conv`, x, depthwise);
  x = activate(norm(net, `${name}._bn1`, x, wide, batch));
  const squeezed = Math.max(1, Math.floor(inputs * 0.25));
  const mean = net.ops.mean(x, [2, 3, 4]);
  const reduce = { inputs: wide, outputs: squeezed, kernel: ones, bias: true };
  const expand = { inputs: squeezed, outputs: wide, kernel: ones, bias: true };
  const reduced = activate(conv(net, `${name}._se_reduce`, mean, reduce));
  const weights = conv(net, `${name}._se_expand`, reduced, expand);
  x = net.ops.mul(x, net.node(name, 'Sigmoid', [weights]));
  x = conv(net, `${name}._project_conv`, x, { inputs: wide, outputs, kernel: ones, bias: false });
  x = norm(net, `${name}._bn2`, x, outputs, batch);
  return stride === 1 && inputs === outputs ? add(net, x, input) : x;
}

/**
 * A convolution with TensorFlow's "same" padding for images of a certain size: more behind than before where
 * it is odd.
 */
function same(
  {
    inputs,
    outputs,
    size: kernel,
    stride,
  }: Readonly<Record<'inputs' | 'outputs' | 'size' | 'stride', number>>,
  size: number,
): ConvOptions {
  const all = Math.max((Math.ceil(size / stride) - 1) * stride + kernel - size, 0);
  const before = Math.floor(all / 2);
  return {
    inputs,
    outputs,
    kernel: eachAxis(() => kernel),
    stride: eachAxis(() => stride),
    padding: eachAxis(() => before),
    paddingAfter: eachAxis(() => all - before),
    bias: false,
  };
}

/** Channels times a width, as a multiple of 8 that is not much less. */
function roundChannels(channels: number, width: number): number {
  if (width === 1) return channels;
  const wanted = channels * width;
  const rounded = Math.max(8, Math.floor((wanted + 4) / 8) * 8);
  return rounded < 0.9 * wanted ? rounded + 8 : rounded;
}
