import { floats, grid } from '../tensor.js';
import { biasShares, fastFilter, type Matrix } from './cookToom.js';
import { roundUp } from './filters.js';
import { planeAttributes, type SliceConv } from './sliceConv.js';
import { nchwc, type Slices, type SliceWriter } from './values.js';
import {
  activated,
  cachedBytes,
  combineTaps,
  filterRead,
  groupedBias,
  groupedFilter,
  type TileTask,
} from './winograd.js';

/** Output slices, and output rows, per tile. More would amplify rounding errors. */
const tileSize = 2;

/**
 * Whether `planeTileConv` applies to a convolution and costs less than `most`, in products. Layers whose
 * products do not stay in the cache are left alone: the transformations would take longer than the products
 * that they save.
 */
export function planeTilesPay(
  writer: SliceWriter,
  inputs: readonly Slices[],
  { kernel, strides, dilations }: TileTask,
  [depth, height, width]: Slices['size'],
  most: number,
): boolean {
  const [taps, rowTaps, columnTaps] = kernel.size;
  const steps = [...strides, ...dilations];
  const fits = inputs.length === 1 && taps === 3 && rowTaps === 3 && steps.every((step) => step === 1);
  if (!fits || inputs[0].layout !== 'blocked' || inputs[0].read || writer.largestTile < tileSize)
    return false;
  const { costs, block, bytePrice } = writer;
  const [channelsIn, channels] = [kernel.inputs, kernel.outputs].map((count) => roundUp(count, block));
  const [depthIn, heightIn, widthIn] = inputs[0].size;
  const perTile = tileSize + taps - 1;
  const sliceProducts = perTile * Math.ceil(depth / tileSize);
  const rowProducts = perTile * Math.ceil(height / tileSize);
  // Values of all products of the rows of a slice.
  const [read, made] = [rowProducts * widthIn * channelsIn, rowProducts * width * channels];
  if (4 * sliceProducts * Math.max(read, made) > cachedBytes) return false;
  // The values that the four matrix products make, and of how many each is a sum.
  const sums = [
    [depthIn * read, heightIn],
    [sliceProducts * read, depthIn],
    [depth * made, sliceProducts],
    [depth * height * width * channels, rowProducts],
  ];
  const moved = depthIn * read + (sliceProducts + depth) * made;
  const cost =
    sliceProducts * made * (columnTaps * kernel.inputs + costs.output) +
    sums.reduce((sum, [values, terms]) => sum + values * (terms + costs.combine), 0) +
    moved * (costs.cut - costs.combine) +
    perTile ** 2 * columnTaps * channelsIn * channels * (4 * bytePrice + filterRead);
  return cost < most;
}

/**
 * A convolution by Winograd's algorithm along the depth and the height, with kernels of three taps each. A
 * tile of 2 slices and 2 rows takes 16 products per tap of the width, where the same outputs take 24 in tiles
 * of 2 slices, and 36 directly. Each transformation is a matrix product over a whole axis, borders and
 * padding included, so it suits small slices of many channels. All tiles are one image, one row of tiles
 * below the other: a filter is read once.
 */
export function planeTileConv(
  writer: SliceWriter,
  input: Slices,
  conv: SliceConv,
  size: Slices['size'],
): Slices {
  const { block } = writer;
  const { kernel, pads } = conv;
  const [depth, height, width] = size;
  const [depthIn, heightIn, widthIn] = input.size;
  const slices = axisTiles(kernel.size[0], pads[0], depthIn, depth);
  const rows = axisTiles(kernel.size[1], pads[1], heightIn, height);
  const { products } = slices;

  // Features are [slice, block of channels, row, column] with the channels of a block side by side.
  const blocksIn = writer.stored(input) / block;
  const rowIn = widthIn * block;
  const ofRows = product(writer, rows.inputs, writer.reshape(input.name, [-1, heightIn, rowIn]));
  const bySlice = reorder(writer, ofRows, [depthIn, blocksIn, products], [2, 1, 0], rows.tiles * rowIn);
  const ofSlices = product(
    writer,
    slices.inputs,
    writer.reshape(bySlice, [-1, 1, products * blocksIn, depthIn, rows.tiles * rowIn]),
    [products, 1, slices.tiles],
  );
  const channels = products * products * writer.stored(input);
  const image = writer.reshape(ofSlices, [-1, channels, slices.tiles * rows.tiles, widthIn]);

  const sums = tileProducts(writer, image, conv, slices);

  const blocks = roundUp(kernel.outputs, block) / block;
  const row = width * block;
  const sizes = [products, products, blocks, slices.tiles];
  const byProduct = reorder(writer, sums, sizes, [1, 2, 0, 3], rows.tiles * row);
  const ofDepth = product(
    writer,
    slices.outputs,
    writer.reshape(byProduct, [-1, products * blocks, products * slices.tiles, rows.tiles * row]),
  );
  const byRow = reorder(writer, ofDepth, [products, blocks, depth], [2, 1, 0], rows.tiles * row);
  const made = product(writer, rows.outputs, writer.reshape(byRow, [-1, products * rows.tiles, row]));
  return writer.unrow(activated(writer, made, conv), { layout: 'blocked', channels: kernel.outputs, size });
}

/** The products of all tiles: a group of channels for each product of the depth and each of the height. */
function tileProducts(
  writer: SliceWriter,
  image: string,
  conv: SliceConv,
  { filter, shares, products }: AxisTiles,
): string {
  const [, rowTaps, columnTaps] = conv.kernel.size;
  const filters = filter.flatMap((row) => {
    const turned = { ...combineTaps(conv.kernel, row), size: [rowTaps, 1, columnTaps] as const };
    return filter.map((other) => combineTaps(turned, other));
  });
  const ofBias = shares.flatMap((share) => shares.map((other) => share * other));
  const bias = conv.bias.length > 0 ? [groupedBias(writer, conv.bias, ofBias)] : [];
  const plane = { ...conv, pads: [0, 0, conv.pads[2], 0, 0, conv.pads[5]] };
  const attributes = { ...planeAttributes(plane, [1, 1, columnTaps]), group: products * products };
  const operands = [image, groupedFilter(writer, filters), ...bias];
  return writer.graph.addNode('Conv', operands, attributes, { domain: nchwc });
}

/** The product of a matrix and a value. `rows` divides the rows of the matrix into several axes. */
function product(
  { graph }: SliceWriter,
  matrix: Matrix,
  value: string,
  rows: readonly number[] = [matrix.length],
): string {
  const constant = graph.addConstant('matrix', floats([...rows, matrix[0].length], matrix.flat()));
  return graph.addNode('MatMul', [constant, value]);
}

/** Moves pieces of `values` values, which lie along axes of these sizes, into another order of the axes. */
function reorder(
  writer: SliceWriter,
  value: string,
  sizes: readonly number[],
  order: readonly number[],
  values: number,
): string {
  const places = grid(order.map((axis) => sizes[axis])).map((at) =>
    sizes.reduce((place, size, axis) => place * size + at[order.indexOf(axis)], 0),
  );
  const pieces = writer.reshape(value, [-1, places.length, values]);
  return writer.graph.addNode('Gather', [pieces, writer.shape(places)], { axis: 1 });
}

/** Winograd's algorithm along a whole axis. Of its products, those of one kind are side by side. */
interface AxisTiles {
  /** Products per tile. */
  readonly products: number;
  readonly tiles: number;
  /** [products * tiles, inputs]. */
  readonly inputs: Matrix;
  /** [products, taps]. */
  readonly filter: Matrix;
  /** [outputs, products * tiles]. */
  readonly outputs: Matrix;
  /** What each product of a tile gets of a bias. */
  readonly shares: readonly number[];
}

/**
 * @param before Zeros in front of the inputs.
 * @param size Inputs.
 * @param made Outputs.
 */
function axisTiles(taps: number, before: number, size: number, made: number): AxisTiles {
  const fast = fastFilter(tileSize, taps);
  const tiles = Math.ceil(made / tileSize);
  const all = grid([fast.filter.length, tiles]);
  return {
    products: fast.filter.length,
    tiles,
    inputs: all.map(([product, tile]) =>
      Array.from({ length: size }, (_, at) => fast.inputs[product][at + before - tile * tileSize] ?? 0),
    ),
    filter: fast.filter,
    outputs: Array.from({ length: made }, (_, at) =>
      all.map(([product, tile]) =>
        tile === Math.floor(at / tileSize) ? fast.outputs[at % tileSize][product] : 0,
      ),
    ),
    shares: biasShares(fast),
  };
}
