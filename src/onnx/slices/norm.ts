import type { Attribute } from '../graph.js';
import { floats } from '../tensor.js';
import { nchwc, type Slices, type SliceWriter } from './values.js';

/** An instance normalization, or a group normalization, of slices. */
export interface SliceNorm {
  /** One per channel. */
  readonly scale: Float32Array;
  readonly bias: Float32Array;
  readonly epsilon: number;
  /** Channels that are normalized together; 1 for an instance normalization. */
  readonly together: number;
  /** Fused activation, in the words of ONNX Runtime's convolutions. */
  readonly activation: Readonly<Record<string, Attribute>>;
}

/** Whether `normSlices` can normalize these slices. */
export function normFits(writer: SliceWriter, { layout, channels }: Slices, together: number): boolean {
  if (layout !== 'blocked') return false;
  return together === 1 || (channels % writer.block === 0 && channels % together === 0);
}

/**
 * Normalizes blocked slices of a single window. Means are means of planes first, then of the depth, so that
 * few numbers are added up in a row, and the variance is that of the centred values: float32 is precise
 * enough. Centring and scaling are depthwise convolutions of one voxel, which also apply the activation.
 */
export function normSlices(writer: SliceWriter, slices: Slices, norm: SliceNorm): Slices {
  const { graph } = writer;
  const stored = writer.stored(slices);
  const perChannel = (values: Float32Array) => {
    const full = new Float32Array(stored);
    full.set(values);
    return graph.addConstant('norm', floats([stored], full));
  };
  const mean = meanOf(writer, slices, norm.together);
  const ones = graph.addConstant('ones', floats([stored, 1, 1, 1], new Float32Array(stored).fill(1)));
  const centred = { ...slices, name: scaled(writer, slices, ones, graph.addNode('Neg', [mean])) };
  const square = graph.addNode('Mul', [centred.name, centred.name]);
  const variance = meanOf(writer, { ...slices, name: square }, norm.together);
  const epsilon = graph.addConstant('epsilon', floats([], [norm.epsilon]));
  const deviation = graph.addNode('Sqrt', [graph.addNode('Add', [variance, epsilon])]);
  const factor = graph.addNode('Div', [perChannel(norm.scale), deviation]);
  const filter = writer.reshape(factor, [stored, 1, 1, 1]);
  return { ...slices, name: scaled(writer, centred, filter, perChannel(norm.bias), norm.activation) };
}

/** The mean of each channel, or of the channels that belong together, [stored channels]. */
function meanOf(writer: SliceWriter, slices: Slices, together: number): string {
  const { graph } = writer;
  const stored = writer.stored(slices);
  const planes = graph.addNode('GlobalAveragePool', [slices.name], {}, { domain: nchwc });
  const rows = writer.reshape(planes, [slices.size[0], stored]);
  const means = graph.addNode('ReduceMean', [rows], { axes: [0], keepdims: 0 });
  if (together === 1) return means;
  const groups = stored / together;
  const mean = graph.addNode('ReduceMean', [writer.reshape(means, [groups, together])], {
    axes: [1],
    keepdims: 1,
  });
  return writer.reshape(graph.addNode('Expand', [mean, writer.shape([groups, together])]), [stored]);
}

/** Every channel times a factor plus a summand, as a depthwise convolution. */
function scaled(
  writer: SliceWriter,
  slices: Slices,
  filter: string,
  bias: string,
  activation: SliceNorm['activation'] = {},
): string {
  const attributes = {
    group: writer.stored(slices),
    kernel_shape: [1, 1],
    strides: [1, 1],
    dilations: [1, 1],
    pads: [0, 0, 0, 0],
    ...activation,
  };
  return writer.graph.addNode('Conv', [slices.name, filter, bias], attributes, { domain: nchwc });
}
