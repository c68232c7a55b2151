import type { Attribute } from '../graph.js';
import { Ops } from '../ops.js';
import { floats } from '../tensor.js';
import { chunksOf, RowBuffer, writesInPlace } from './rowBuffer.js';
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

/** The most bytes of slices that are normalized at a time, so that they stay in a processor's cache. */
const chunkBytes = 4 * 2 ** 20;

/**
 * Normalizes blocked slices of a single window. Means are means of planes first, then of the depth, so that
 * few numbers are added up in a row, and the variance is that of the centred values: float32 is precise
 * enough. Centring and scaling are depthwise convolutions of one voxel, which also apply the activation.
 * Large slices are centred twice, a few at a time, and written over, so that they are in memory once.
 */
export function normSlices(writer: SliceWriter, slices: Slices, norm: SliceNorm): Slices {
  const { graph } = writer;
  const stored = writer.stored(slices);
  const [depth, height, width] = slices.size;
  const perChannel = (values: Float32Array) => {
    const full = new Float32Array(stored);
    full.set(values);
    return graph.addConstant('norm', floats([stored], full));
  };
  const shift = graph.addNode('Neg', [overDepth(writer, [planeMeans(writer, slices)], slices, norm)]);
  const ones = graph.addConstant('ones', floats([stored, 1, 1, 1], new Float32Array(stored).fill(1)));
  const chunks = chunksOf(depth, 4 * stored * height * width, chunkBytes);
  const centre = (from: Slices, [first, count]: readonly [number, number]): Slices => {
    const part = writer.cut(from, first, count);
    return { ...part, name: scaled(writer, part, ones, shift) };
  };
  const whole = chunks.length === 1 ? centre(slices, chunks[0]) : undefined;
  const squares = chunks.map((chunk) => {
    const part = whole ?? centre(slices, chunk);
    return planeMeans(writer, { ...part, name: graph.addNode('Mul', [part.name, part.name]) });
  });
  const epsilon = graph.addConstant('epsilon', floats([], [norm.epsilon]));
  const variance = graph.addNode('Add', [overDepth(writer, squares, slices, norm), epsilon]);
  const factor = graph.addNode('Div', [perChannel(norm.scale), graph.addNode('Sqrt', [variance])]);
  const filter = writer.reshape(factor, [stored, 1, 1, 1]);
  const bias = perChannel(norm.bias);
  const shape = [depth, stored * height * width] as const;
  const inPlace = writesInPlace(writer, shape);
  const buffer = new RowBuffer(writer, shape, slices);
  for (const chunk of chunks) {
    // What was not written over is as it was; and reading the buffer keeps the chunks in order.
    const part = whole ?? centre(inPlace ? writer.unrow(buffer.rows, slices) : slices, chunk);
    const normal = { ...part, name: scaled(writer, part, filter, bias, norm.activation) };
    buffer.write(writer.rows(normal), ...chunk);
  }
  return writer.unrow(buffer.rows, slices);
}

/** The mean of each plane, [depth, stored channels]. */
function planeMeans(writer: SliceWriter, slices: Slices): string {
  const planes = writer.graph.addNode('GlobalAveragePool', [slices.name], {}, { domain: nchwc });
  return writer.reshape(planes, [slices.size[0], writer.stored(slices)]);
}

/** The mean over the depth of means of planes, for each channel, or the channels that belong together. */
function overDepth(
  writer: SliceWriter,
  planes: readonly string[],
  slices: Slices,
  { together }: SliceNorm,
): string {
  const { graph } = writer;
  const stored = writer.stored(slices);
  const all = planes.length === 1 ? planes[0] : graph.addNode('Concat', planes, { axis: 0 });
  const ops = new Ops(graph);
  const means = ops.mean(all, [0], false);
  if (together === 1) return means;
  const groups = stored / together;
  const mean = ops.mean(writer.reshape(means, [groups, together]), [1]);
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
