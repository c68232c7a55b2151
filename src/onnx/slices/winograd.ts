import { floats } from '../tensor.js';
import { biasShares, fastFilter, type Matrix } from './cookToom.js';
import { type Kernel, packFilter, roundUp } from './filters.js';
import { chunksOf, RowBuffer, writesInPlace } from './rowBuffer.js';
import { partsOf, planeAttributes, type SliceConv } from './sliceConv.js';
import { nchwc, type Slices, type SliceWriter } from './values.js';

/** The numbers of output slices per tile to choose from. Rounding errors grow with them. */
export const tileSizes = [2, 4, 6] as const;

/** The most bytes of tiles that are processed at a time. It limits the memory that a layer needs. */
const chunkBytes = 8 * 2 ** 20;

/** Tiles of fewer bytes are processed in smaller chunks, most of which stays in the caches of a core. */
export const cachedBytes = 2 * 2 ** 20;

/**
 * What reading a value of a filter takes, in products. A filter is read once for each slice or tile, and the
 * large ones do not stay in the cache of a core in the meantime.
 */
export const filterRead = 6;

/** What `cheapestTile` must know of a convolution. */
export interface TileTask extends Pick<SliceConv, 'strides' | 'dilations'> {
  readonly kernel: Omit<Kernel, 'data'>;
}

/**
 * The number of output slices per tile, m, with which `winogradConv` costs the least for a convolution, and
 * this cost in products. m is undefined when a direct convolution costs less. Undefined when
 * `winogradConv` does not apply. The costs are those of time and of the memory for the filters, which grow
 * with the tiles.
 */
export function cheapestTile(
  writer: SliceWriter,
  inputs: readonly Slices[],
  { kernel, strides, dilations }: TileTask,
  [depth, ...plane]: Slices['size'],
): { readonly m: number | undefined; readonly cost: number } | undefined {
  const [taps, height, width] = kernel.size;
  const fits = (taps === 2 || taps === 3) && strides[0] <= 2 && dilations[0] === 1;
  if (!fits || inputs.some(({ layout }) => layout !== 'blocked')) return undefined;
  const { costs, block } = writer;
  const voxels = plane[0] * plane[1];
  const weights = roundUp(kernel.outputs, block) * roundUp(kernel.inputs, block) * height * width;
  const product = kernel.outputs * (height * width * kernel.inputs + costs.output);
  // Output values are fewer than input values where the convolution moves by more than one.
  const inputShare = strides[1] * strides[2];
  let best: number | undefined;
  // Without tiles, the slices of each tap are copied to where its outputs are, unless they are there already.
  const copies = strides[0] === 1 ? taps - 1 : taps;
  const copied = copies * Math.max(0, costs.cut - costs.combine) * inputShare * kernel.inputs;
  const priceOf = (filters: number, reads: number) =>
    filters * weights * (4 * writer.bytePrice + reads * filterRead);
  let least = depth * (taps * product + copied) * voxels + priceOf(taps, depth);
  for (const m of tileSizes) {
    if (m > writer.largestTile) break;
    const { filter } = fastFilter(m, taps, strides[0]);
    const transform = costs.cut * inputShare * kernel.inputs + costs.combine * kernel.outputs;
    const tiles = Math.ceil(depth / m);
    const cost = tiles * filter.length * (product + transform) * voxels + priceOf(filter.length, tiles);
    if (cost < least) {
      best = m;
      least = cost;
    }
  }
  return { m: best, cost: least };
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
  const parts = partsOf(inputs, conv.kernel).map(({ slices, kernel }) => {
    const filters = fast.filter.map((row) => combineTaps(kernel, row));
    return { slices, filter: groupedFilter(writer, filters) };
  });
  const outputs = roundUp(conv.kernel.outputs, writer.block);
  const bias = conv.bias.length > 0 ? groupedBias(writer, conv.bias, biasShares(fast)) : '';
  const combine = graph.addConstant('outputs', floats([m, products], fast.outputs.flat()));
  const attributes = { ...planeAttributes(conv, conv.kernel.size), group: products };
  const [depth, height, width] = size;
  const values = outputs * height * width;

  const tileBytes = bytesPerTile(writer, inputs, values, products);
  const tileCount = Math.ceil(depth / m);
  const most = tileBytes <= cachedBytes ? cachedBytes : chunkBytes;
  // Dividing a layer takes copies: two chunks would save little.
  const small = tileCount * tileBytes < 2 * most;
  const chunks: [number, number][] = small ? [[0, tileCount]] : chunksOf(tileCount, tileBytes, most);
  // A large layer in chunks writes its output over an input of the same size, behind where it reads.
  const over =
    writesInPlace(writer, [depth, values]) && chunks.length > 1
      ? parts.findIndex(({ slices }) => !slices.read && alike(slices))
      : -1;
  const buffer = new RowBuffer(writer, [depth, values], parts[over]?.slices);
  const sliding = parts.map(() => new SlidingRows(writer));
  for (const [at, [first, count]] of chunks.entries()) {
    const tilesOf = (part: number): string => {
      const { slices } = parts[part];
      const tiles: Tiles = {
        ...{ first, count, step: m * conv.strides[0], before: conv.pads[0], matrix: fast.inputs },
      };
      const cut =
        part === over
          ? (start: number, end: number) => writer.cutRows(buffer.rows, start, end)
          : slices.read?.bind(slices);
      return cut
        ? combineSlices(writer, slices, tiles, (places) => sliding[part].read(cut, places))
        : tileInputs(writer, slices, tiles);
    };
    // ONNX Runtime computes first what comes last here; see `RowBuffer`. In the first chunk, the input that
    // is written over must wait until the others exist. Later it comes first, behind what was written.
    const early = (at === 0) === over > 0 ? parts.map((_, part) => tilesOf(part)) : [];
    let sum = '';
    for (const [part, { filter }] of parts.entries()) {
      const operands = [early[part] ?? tilesOf(part), filter, part === 0 ? bias : '', sum];
      while (operands.at(-1) === '') operands.pop();
      sum = graph.addNode('Conv', operands, attributes, { domain: nchwc });
    }
    const apart = writer.apart(sum, [1, count, products, values]);
    const combined = graph.addNode('MatMul', [combine, apart]);
    const rows = writer.apart(activated(writer, combined, conv), [1, count * m, values]);
    const inside = Math.min(count * m, depth - first * m);
    buffer.write(inside < count * m ? writer.cutRows(rows, 0, inside) : rows, first * m, inside);
  }
  return writer.unrow(buffer.rows, { layout: 'blocked', channels: conv.kernel.outputs, size });

  function alike(slices: Slices): boolean {
    return conv.strides[0] === 1 && writer.stored(slices) === outputs && slices.size.join() === size.join();
  }
}

export function activated({ graph }: SliceWriter, value: string, { activation }: SliceConv): string {
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

/** Some tiles of a layer. */
export interface Tiles {
  readonly first: number;
  readonly count: number;
  /** Input slices from one tile to the next. */
  readonly step: number;
  /** Slices of zeros before the first slice. */
  readonly before: number;
  /** The products' sums of a tile's slices. */
  readonly matrix: Matrix;
}

/** The combined slices of some tiles, [N * tiles, products * channels, height, width] in blocks. */
export function tileInputs(writer: SliceWriter, slices: Slices, tiles: Tiles): string {
  const { first, count, step, before, matrix } = tiles;
  return writer.once(`tiles ${[slices.name, first, count, step, before, matrix].join(' ')}`, () =>
    combineSlices(writer, slices, tiles, (places) =>
      writer.graph.addNode('Gather', [writer.rows(slices), writer.shape(places)], { axis: 1 }),
    ),
  );
}

/** As `tileInputs`, of slices that `read` returns as rows. */
function combineSlices(
  writer: SliceWriter,
  slices: Slices,
  { first, count, step, before, matrix }: Tiles,
  read: (places: readonly number[]) => string,
): string {
  const [depth, height, width] = slices.size;
  const values = writer.stored(slices) * height * width;
  const length = matrix[0].length;
  const places = Array.from({ length: count * length }, (_, i) => {
    return (first + Math.floor(i / length)) * step + (i % length) - before;
  });
  const inside = places.map((place) => Math.min(depth - 1, Math.max(0, place)));
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
  const sums = writer.graph.addNode('MatMul', [
    writer.graph.addConstant('inputs', coefficients),
    writer.apart(read(inside), [1, count, length, values]),
  ]);
  return writer.apart(sums, [count, matrix.length * writer.stored(slices), height, width]);
}

/**
 * Reads slices one range after the other, and keeps those that it needs again: they are made once, and may be
 * written over behind the reader.
 */
class SlidingRows {
  #kept = '';
  #first = 0;
  #end = 0;

  constructor(readonly writer: SliceWriter) {}

  /** The slices at these places, which must not end before those of the last call. */
  read(cut: (first: number, end: number) => string, places: readonly number[]): string {
    const { writer } = this;
    const first = Math.min(...places);
    const end = Math.max(...places) + 1;
    const parts = [
      ...(first < this.#end
        ? [writer.cutRows(this.#kept, first - this.#first, this.#end - this.#first)]
        : []),
      ...(this.#end < end ? [cut(Math.max(first, this.#end), end)] : []),
    ];
    this.#kept = parts.length === 1 ? parts[0] : writer.graph.addNode('Concat', parts, { axis: 1 });
    this.#first = first;
    this.#end = end;
    const inOrder = places.length === end - first && places.every((place, i) => place === first + i);
    if (inOrder) return this.#kept;
    const order = writer.shape(places.map((place) => place - first));
    return writer.graph.addNode('Gather', [this.#kept, order], { axis: 1 });
  }
}

/** The filters of all products, one group after the other. */
export function groupedFilter(writer: SliceWriter, kernels: readonly Kernel[]): string {
  const packed = kernels.map((kernel) => packFilter(kernel, 0, writer.block, false));
  const [outputs, inputs, height, width] = packed[0].dims;
  const data = new Float32Array(packed.length * packed[0].data.length);
  for (const [i, part] of packed.entries()) data.set(part.data as Float32Array, i * part.data.length);
  return writer.graph.addConstant('filter', floats([packed.length * outputs, inputs, height, width], data));
}

/** The sum of a kernel's depth taps times the numbers of `row`. */
export function combineTaps(kernel: Kernel, row: readonly number[]): Kernel {
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

/** The bias of a convolution as that of its products. */
export function groupedBias(writer: SliceWriter, bias: readonly number[], shares: readonly number[]): string {
  const outputs = roundUp(bias.length, writer.block);
  const data = new Float32Array(shares.length * outputs);
  for (const [product, share] of shares.entries()) {
    for (const [output, value] of bias.entries()) data[product * outputs + output] = share * value;
  }
  return writer.graph.addConstant('bias', floats([data.length], data));
}
