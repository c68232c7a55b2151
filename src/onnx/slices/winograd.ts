import { floats } from '../tensor.js';
import { biasProduct, fastFilter, type Matrix } from './cookToom.js';
import { type Kernel, packFilter, roundUp } from './filters.js';
import { outputCost, partsOf, planeAttributes, type SliceConv } from './sliceConv.js';
import { nchwc, type Slices, type SliceWriter } from './values.js';

/** The numbers of output slices per tile to choose from. Rounding errors grow with them. */
export const tileSizes = [2, 4, 6] as const;

/**
 * What cutting and combining the inputs of a tile costs per value, and combining the products per value, in
 * products of a convolution (0.02 ns each on Zen 4).
 */
const inputCost = 67;
const combineCost = 22;

/** The most bytes of tiles that are processed at a time. It limits the memory that a layer needs. */
const chunkBytes = 16 * 2 ** 20;

/**
 * The number of output slices per tile with which `winogradConv` takes the least time for a convolution, or
 * undefined when it does not apply or a direct convolution is faster.
 */
export function winogradTile(
  writer: SliceWriter,
  inputs: readonly Slices[],
  { kernel, strides, dilations }: SliceConv,
  [depth]: Slices['size'],
): number | undefined {
  const [taps, height, width] = kernel.size;
  const fits = (taps === 2 || taps === 3) && strides[0] <= 2 && dilations[0] === 1;
  if (!fits || inputs.some(({ layout }) => layout !== 'blocked')) return undefined;
  const product = kernel.outputs * (height * width * kernel.inputs + outputCost);
  // Output values are fewer than input values where the convolution moves by more than one.
  const inputShare = strides[1] * strides[2];
  let best: number | undefined;
  let least = depth * taps * product;
  for (const m of tileSizes) {
    if (m > writer.largestTile) break;
    const { filter } = fastFilter(m, taps, strides[0]);
    const transform = inputCost * inputShare * kernel.inputs + combineCost * kernel.outputs;
    const cost = Math.ceil(depth / m) * filter.length * (product + transform);
    if (cost < least) {
      best = m;
      least = cost;
    }
  }
  return best;
}

/**
 * A convolution by Winograd's algorithm along the depth: with three taps, m output slices take m + 2 products
 * instead of 3 m. The slices of each tile are combined by a matrix product, the products are one convolution
 * with as many groups of channels, and another matrix product makes the output slices of them.
 */
export function winogradConv(
  writer: SliceWriter,
  inputs: readonly Slices[],
  conv: SliceConv,
  size: Slices['size'],
  m: number,
): Slices {
  const { graph } = writer;
  const fast = fastFilter(m, conv.kernel.size[0], conv.strides[0]);
  const products = fast.filter.length;
  const parts = partsOf(inputs, conv.kernel).map(({ slices, kernel }) => ({
    slices,
    filter: groupedFilter(writer, kernel, fast.filter),
  }));
  const outputs = roundUp(conv.kernel.outputs, writer.block);
  const bias = conv.bias.length > 0 ? groupedBias(writer, conv.bias, products, biasProduct(fast)) : '';
  const combine = graph.addConstant('outputs', floats([m, products], fast.outputs.flat()));
  const attributes = { ...planeAttributes(conv, conv.kernel.size), group: products };
  const [depth, height, width] = size;
  const values = outputs * height * width;

  const chunks = chunksOf(Math.ceil(depth / m), bytesPerTile(writer, inputs, values, products)).map(
    ([first, end]) => {
      let sum = '';
      for (const [part, { slices, filter }] of parts.entries()) {
        const tiles = tileInputs(writer, slices, {
          ...{ first, end, step: m * conv.strides[0], before: conv.pads[0], matrix: fast.inputs },
        });
        const operands = [tiles, filter, part === 0 ? bias : '', sum];
        while (operands.at(-1) === '') operands.pop();
        sum = graph.addNode('Conv', operands, attributes, { domain: nchwc });
      }
      const apart = writer.reshape(sum, [-1, end - first, products, values]);
      const combined = graph.addNode('MatMul', [combine, apart]);
      const rows = writer.reshape(activated(writer, combined, conv), [-1, (end - first) * m, values]);
      const extra = end * m - depth;
      return extra > 0 ? writer.cutRows(rows, (end - first) * m - extra) : rows;
    },
  );
  const rows = chunks.length === 1 ? chunks[0] : graph.addNode('Concat', chunks, { axis: 1 });
  return writer.unrow(rows, { layout: 'blocked', channels: conv.kernel.outputs, size });
}

function activated({ graph }: SliceWriter, value: string, { activation }: SliceConv): string {
  const { activation: op, activation_params: parameters } = activation;
  if (typeof op !== 'string') return value;
  const given = typeof parameters === 'object' && 'floats' in parameters ? parameters.floats : [];
  return graph.addNode(op, [value], given.length > 0 ? { alpha: { float: given[0] } } : {});
}

function bytesPerTile(writer: SliceWriter, inputs: readonly Slices[], values: number, products: number) {
  const most = inputs.reduce(
    (most, slices) => Math.max(most, writer.stored(slices) * slices.size[1] * slices.size[2]),
    values,
  );
  return 4 * products * most;
}

/** The tiles from 0 to `count` in chunks of about equal size: first, and one past the last. */
function chunksOf(count: number, bytes: number): [number, number][] {
  const chunks = Math.ceil(count / Math.max(1, Math.floor(chunkBytes / bytes)));
  return Array.from({ length: chunks }, (_, i) => [
    Math.floor((i * count) / chunks),
    Math.floor(((i + 1) * count) / chunks),
  ]);
}

interface Tiles {
  readonly first: number;
  /** One past the last tile. */
  readonly end: number;
  /** Input slices from one tile to the next. */
  readonly step: number;
  /** Slices of zeros before the first slice. */
  readonly before: number;
  /** The products' sums of a tile's slices. */
  readonly matrix: Matrix;
}

/** The combined slices of some tiles, [N * tiles, products * channels, height, width] in blocks. */
function tileInputs(writer: SliceWriter, slices: Slices, tiles: Tiles): string {
  const { first, end, step, before, matrix } = tiles;
  const key = [slices.name, first, end, step, before, matrix];
  return writer.once(`tiles ${key.join(' ')}`, () => {
    const { graph } = writer;
    const [depth, height, width] = slices.size;
    const values = writer.stored(slices) * height * width;
    const count = end - first;
    const length = matrix[0].length;
    const places = Array.from({ length: count * length }, (_, i) => {
      return (first + Math.floor(i / length)) * step + (i % length) - before;
    });
    const inside = places.map((place) => Math.min(depth - 1, Math.max(0, place)));
    const cut = graph.addNode('Gather', [writer.rows(slices), writer.shape(inside)], { axis: 1 });
    // Slices outside the volume count as zeros: their column in the tile's matrix is zero.
    const zero = places.map((place, i) => place !== inside[i]);
    const coefficients = zero.includes(true)
      ? floats(
          [count, matrix.length, length],
          Array.from({ length: count }, (_, tile) =>
            matrix.flatMap((row) => row.map((x, j) => (zero[tile * length + j] ? 0 : x))),
          ).flat(),
        )
      : floats([matrix.length, length], matrix.flat());
    const sums = graph.addNode('MatMul', [
      graph.addConstant('inputs', coefficients),
      writer.reshape(cut, [-1, count, length, values]),
    ]);
    return writer.reshape(sums, [-1, matrix.length * writer.stored(slices), height, width]);
  });
}

/** The filters of all products, one group after the other. */
function groupedFilter(writer: SliceWriter, kernel: Kernel, filter: Matrix): string {
  const [, height, width] = kernel.size;
  const packed = filter.map((row) => packFilter(combineTaps(kernel, row), 0, writer.block, false));
  const [outputs, inputs] = packed[0].dims;
  const data = new Float32Array(packed.length * packed[0].data.length);
  for (const [i, part] of packed.entries()) data.set(part.data as Float32Array, i * part.data.length);
  return writer.graph.addConstant('filter', floats([packed.length * outputs, inputs, height, width], data));
}

/** The sum of a kernel's depth taps times the numbers of `row`. */
function combineTaps(kernel: Kernel, row: readonly number[]): Kernel {
  const [taps, height, width] = kernel.size;
  const plane = height * width;
  const data = new Float32Array(kernel.outputs * kernel.inputs * plane);
  for (let i = 0; i < data.length; i++) {
    const from = Math.floor(i / plane) * taps * plane + (i % plane);
    let sum = 0;
    for (let tap = 0; tap < taps; tap++) sum += row[tap] * kernel.data[from + tap * plane];
    data[i] = sum;
  }
  return { ...kernel, size: [1, height, width], data };
}

/** The bias of a convolution as that of one of its products. */
function groupedBias(writer: SliceWriter, bias: readonly number[], products: number, at: number): string {
  const outputs = roundUp(bias.length, writer.block);
  const data = new Float32Array(products * outputs);
  data.set(bias, at * outputs);
  return writer.graph.addConstant('bias', floats([data.length], data));
}
