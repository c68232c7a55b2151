import type { Attribute } from '../graph.js';
import { type Box, cutKernel, type Kernel } from './filters.js';
import type { Slices } from './values.js';

/** A 3D convolution over slices. Sizes are depth, height, width. */
export interface SliceConv {
  readonly kernel: Kernel;
  readonly bias: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  /** Before and after each axis: depth, height, width, depth, height, width. */
  readonly pads: readonly number[];
  /** Fused activation, in the words of ONNX Runtime's convolutions. */
  readonly activation: Readonly<Record<string, Attribute>>;
  /** Whether the result is an output of the model. Default: false. */
  readonly isOutput?: boolean;
}

/** Each input with the part of the kernel that reads it. */
export function partsOf(inputs: readonly Slices[], kernel: Kernel): { slices: Slices; kernel: Kernel }[] {
  let first = 0;
  const [depth, height, width] = kernel.size;
  const box: Box = [
    [0, depth],
    [0, height],
    [0, width],
  ];
  return inputs.map((slices) => {
    const part = cutKernel(kernel, [0, kernel.outputs], [first, first + slices.channels], box);
    first += slices.channels;
    return { slices, kernel: part };
  });
}

/** Attributes of the 2D convolution within a slice. */
export function planeAttributes(
  { strides, dilations, pads }: Pick<SliceConv, 'strides' | 'dilations' | 'pads'>,
  kernel: Kernel['size'],
): Record<string, Attribute> {
  return {
    kernel_shape: kernel.slice(1),
    strides: strides.slice(1),
    dilations: dilations.slice(1),
    pads: [1, 2, 4, 5].map((i) => pads[i]),
  };
}
