import type { Attribute } from '../graph.js';
import type { Kernel } from './filters.js';

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
}
