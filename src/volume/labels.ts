import { blendRows } from './blendRows.js';
import { type LabelPath, labelPath } from './labelPath.js';
import type { AxisTaps } from './resample.js';
import {
  type Grid,
  type HistoryStep,
  type Triple,
  type Vec3,
  type Volume,
  type VoxelArray,
  voxelCount,
} from './volume.js';

/** How the channels of an interpolated voxel become a label. */
export interface Decision {
  /** Apply softmax before interpolating. */
  readonly softmax: boolean;
  /**
   * The label of each channel: a voxel gets that of the last channel above 0. Default: the largest channel.
   */
  readonly regions?: readonly number[];
}

/** The largest label that a decision between `channels` channels may give. */
export function largestLabel(channels: number, { regions }: Decision): number {
  return regions ? Math.max(...regions) : channels - 1;
}

/** A box of voxels per axis, from `low` to `high` (exclusive); undefined if empty. */
export interface Box {
  readonly low: Vec3;
  readonly high: Vec3;
}

/**
 * The box around all voxels of slices `from` to `to` (exclusive) whose largest channel is not the first or,
 * with regions, that have a channel above 0; undefined if there are none.
 */
export function foregroundExtent(logits: Volume, from: number, to: number, regions = false): Box | undefined {
  const [nx, ny] = logits.size;
  const { data, channels } = logits;
  const count = voxelCount(logits.size);
  const none = new Uint8Array(nx);
  const low = [nx, ny, to];
  const high = [0, 0, 0];
  for (let z = from; z < to; z++) {
    for (let y = 0; y < ny; y++) {
      const row = (z * ny + y) * nx;
      const rows = Array.from({ length: channels }, (_, c) => row + c * count);
      const base = regions ? none : data.subarray(row, row + nx);
      const [first, last] = rowExtent(data, regions ? rows : rows.slice(1), base);
      if (last < 0) continue;
      low[0] = Math.min(low[0], first);
      high[0] = Math.max(high[0], last + 1);
      low[1] = Math.min(low[1], y);
      high[1] = Math.max(high[1], y + 1);
      low[2] = Math.min(low[2], z);
      high[2] = Math.max(high[2], z + 1);
    }
  }
  return high[0] > 0 ? { low: low as Triple, high: high as Triple } : undefined;
}

/**
 * The first and last voxel of a row in which a channel exceeds `base`, the values of as many voxels; the last
 * is -1 if there is none. `rows` has where the row of each channel begins.
 */
function rowExtent(data: VoxelArray, rows: readonly number[], base: VoxelArray): [number, number] {
  const nx = base.length;
  let first = nx;
  let last = -1;
  for (const row of rows) {
    let x = 0;
    while (x < nx && !(data[row + x] > base[x])) x++;
    if (x === nx) continue;
    let end = nx - 1;
    while (!(data[row + end] > base[end])) end--;
    first = Math.min(first, x);
    last = Math.max(last, end);
  }
  return [first, last];
}

/** The box around two boxes. */
export function joinBoxes(a: Box | undefined, b: Box | undefined): Box | undefined {
  if (!a || !b) return a ?? b;
  return {
    low: a.low.map((n, axis) => Math.min(n, b.low[axis])) as Triple,
    high: a.high.map((n, axis) => Math.max(n, b.high[axis])) as Triple,
  };
}

/** True if `labelSlices` can undo these steps. */
export function canLabel(logits: Grid, history: readonly HistoryStep[]): boolean {
  return labelPath(logits, history) !== undefined;
}

/** The number of slices that `labelSlices` processes: those along the z axis of the logits. */
export function labelSliceCount(logits: Grid, history: readonly HistoryStep[]): number {
  return labelPath(logits, history)?.taps[2].low.length ?? 0;
}

/** Logits that labels are made from. */
export interface LogitsSource {
  readonly channels: number;
  /** Copies a part of slice `z` into `out`, [channels, height, width]. */
  readonly read: (z: number, x: number, y: number, width: number, height: number, out: Float32Array) => void;
}

/** Indices from `start` to `end` (exclusive). */
export interface Range {
  readonly start: number;
  readonly end: number;
}

/**
 * Labels from logits, on an earlier grid, in one pass: softmax (if asked for), the way back to that grid,
 * decision. The result equals that of `softmax`, `invertHistory` and `argmax` (or `regionLabels`), but only
 * two slices of channels are in memory at a time.
 *
 * The interpolated result can only be foreground near foreground (the box `extent`): a mean of voxels whose
 * first channel is the largest has its largest value there, too. The rest of `out` (zeros) is not touched.
 *
 * Works on slices `from` to `to` (exclusive) of `labelSliceCount`. `canLabel` must be true.
 */
export function labelSlices(
  logits: Volume,
  history: readonly HistoryStep[],
  extent: Box,
  from: number,
  to: number,
  decision: Decision,
  out: Uint8Array | Uint16Array,
): void {
  const path = labelPath(logits, history);
  if (!path) throw new RangeError('These steps cannot be undone in one pass.');
  const [x, y, z] = path.taps.map((one, axis) => reach(one, extent.low[axis], extent.high[axis]));
  const slices = { start: Math.max(from, z.start), end: Math.min(to, z.end) };
  labelBox(sourceOf(logits), path, decision, [x, y, slices], out);
}

function sourceOf({ data, size, channels }: Volume): LogitsSource {
  const count = voxelCount(size);
  return {
    channels,
    read(z, x, y, width, height, out) {
      let to = 0;
      for (let c = 0; c < channels; c++) {
        for (let j = 0; j < height; j++) {
          const row = c * count + (z * size[1] + y + j) * size[0] + x;
          for (let i = 0; i < width; i++) out[to++] = data[row + i];
        }
      }
    },
  };
}

/** Labels of a box of the voxels in `path.taps`; see `labelSlices`. */
export function labelBox(
  { channels, read }: LogitsSource,
  { taps, corner, strides }: LabelPath,
  { softmax, regions }: Decision,
  [x, y, z]: readonly Range[],
  out: Uint8Array | Uint16Array,
): void {
  // The part of a slice of logits that these voxels read.
  const [x0, x1] = readRange(taps[0], x);
  const [y0, y1] = readRange(taps[1], y);
  const width = x1 - x0;
  const height = y1 - y0;
  const nx = x.end - x.start;
  const ny = y.end - y.start;
  if (nx <= 0 || ny <= 0 || z.end <= z.start) return;
  const values = new Float32Array(channels * width * height);
  const rows = new Float64Array(nx * height);
  const slices = [0, 1].map(() => Array.from({ length: channels }, () => new Float64Array(nx * ny)));
  const held = [-1, -1];
  const sliceAt = (k: number, keep: number): Float64Array[] => {
    let place = held.indexOf(k);
    if (place < 0) {
      place = held[0] === keep ? 1 : 0;
      read(k, x0, y0, width, height, values);
      if (softmax) softmax_(values, channels, width * height);
      for (let c = 0; c < channels; c++) {
        const part = values.subarray(c * width * height, (c + 1) * width * height);
        respaceBox(part, width, height, taps[0], taps[1], x, y, x0, y0, rows, slices[place][c]);
      }
      held[place] = k;
    }
    return slices[place];
  };
  const best = new Float32Array(nx * ny);
  const label = new Uint16Array(nx * ny);
  for (let k = z.start; k < z.end; k++) {
    const low = sliceAt(taps[2].low[k], taps[2].high[k]);
    const high = sliceAt(taps[2].high[k], taps[2].low[k]);
    const lowWeight = taps[2].lowWeight[k];
    const highWeight = taps[2].highWeight[k];
    label.fill(0);
    for (let c = 0; c < channels; c++) {
      if (regions) blendRegion(low[c], high[c], lowWeight, highWeight, regions[c], label);
      else blendLargest(low[c], high[c], lowWeight, highWeight, c, best, label);
    }
    for (let j = 0; j < ny; j++) {
      let at = corner + k * strides[2] + (y.start + j) * strides[1] + x.start * strides[0];
      for (let i = 0; i < nx; i++, at += strides[0]) out[at] = label[j * nx + i];
    }
  }
}

/** Labels of a box of voxels on the grid of the logits, which has `size` voxels. */
export function labelBoxInPlace(
  { channels, read }: LogitsSource,
  size: Vec3,
  { softmax, regions }: Decision,
  [x, y, z]: readonly Range[],
  out: Uint8Array | Uint16Array,
): void {
  const width = x.end - x.start;
  const height = y.end - y.start;
  const area = width * height;
  if (width <= 0 || height <= 0) return;
  const values = new Float32Array(channels * area);
  for (let k = z.start; k < z.end; k++) {
    read(k, x.start, y.start, width, height, values);
    if (softmax) softmax_(values, channels, area);
    for (let j = 0; j < height; j++) {
      const row = (k * size[1] + y.start + j) * size[0] + x.start;
      for (let i = 0; i < width; i++) {
        const at = j * width + i;
        out[row + i] = regions
          ? lastRegion(values, at, regions, area)
          : largestChannel(values, at, channels, area);
      }
    }
  }
}

/** The channel with the largest value of a voxel, the first of equals. */
function largestChannel(values: Float32Array, at: number, channels: number, count: number): number {
  let best = 0;
  let largest = values[at];
  for (let c = 1; c < channels; c++) {
    const value = values[at + c * count];
    if (value > largest) {
      largest = value;
      best = c;
    }
  }
  return best;
}

/**
 * The new voxels that read an old one from `low` to `high` (exclusive): one run, since both axes run the same
 * way.
 */
function reach(taps: AxisTaps, low: number, high: number): Range {
  let start = taps.low.length;
  let end = 0;
  for (let j = 0; j < taps.low.length; j++) {
    const touches = (at: number) => at >= low && at < high;
    if (!touches(taps.low[j]) && !touches(taps.high[j])) continue;
    start = Math.min(start, j);
    end = j + 1;
  }
  return { start: Math.min(start, end), end };
}

/** The old voxels that a run of new ones reads. */
function readRange({ low, high }: AxisTaps, { start, end }: Range): [number, number] {
  let first = Number.POSITIVE_INFINITY;
  let last = -1;
  for (let j = start; j < end; j++) {
    first = Math.min(first, low[j], high[j]);
    last = Math.max(last, low[j], high[j]);
  }
  return last < 0 ? [0, 0] : [first, last + 1];
}

/** The label of a voxel's last channel above 0. */
function lastRegion(values: Float32Array, at: number, regions: readonly number[], count: number): number {
  let label = 0;
  for (let c = 0; c < regions.length; c++) if (values[at + c * count] > 0) label = regions[c];
  return label;
}

/** Softmax over the channels of `count` voxels, in place; see `softmax` in classes.ts. */
function softmax_(values: Float32Array, channels: number, count: number): void {
  for (let at = 0; at < count; at++) {
    let largest = values[at];
    for (let c = 1; c < channels; c++) largest = Math.max(largest, values[at + c * count]);
    let sum = 0;
    for (let c = 0; c < channels; c++) {
      const value = Math.exp(values[at + c * count] - largest);
      values[at + c * count] = value;
      sum += value;
    }
    for (let c = 0; c < channels; c++) values[at + c * count] /= sum;
  }
}

function respaceBox(
  part: Float32Array,
  width: number,
  height: number,
  xs: AxisTaps,
  ys: AxisTaps,
  x: Range,
  y: Range,
  x0: number,
  y0: number,
  rows: Float64Array,
  out: Float64Array,
): void {
  const nx = x.end - x.start;
  for (let j = 0; j < height; j++) {
    const row = j * width - x0;
    for (let i = 0; i < nx; i++) {
      const at = x.start + i;
      rows[j * nx + i] =
        part[row + xs.low[at]] * xs.lowWeight[at] + part[row + xs.high[at]] * xs.highWeight[at];
    }
  }
  for (let j = y.start; j < y.end; j++) {
    const low = (ys.low[j] - y0) * nx;
    const high = (ys.high[j] - y0) * nx;
    blendRows(rows, low, high, ys.lowWeight[j], ys.highWeight[j], nx, out, (j - y.start) * nx);
  }
}

/** Blends two slices of a channel, and sets the label to it where it is the largest so far. */
function blendLargest(
  low: Float64Array,
  high: Float64Array,
  lowWeight: number,
  highWeight: number,
  channel: number,
  best: Float32Array,
  label: Uint16Array,
): void {
  for (let i = 0; i < low.length; i++) {
    const value = Math.fround(low[i] * lowWeight + high[i] * highWeight);
    if (channel === 0 || value > best[i]) {
      best[i] = value;
      label[i] = channel;
    }
  }
}

/** Blends two slices of a channel, and sets the label where it is above 0. */
function blendRegion(
  low: Float64Array,
  high: Float64Array,
  lowWeight: number,
  highWeight: number,
  value: number,
  label: Uint16Array,
): void {
  for (let i = 0; i < low.length; i++) {
    if (Math.fround(low[i] * lowWeight + high[i] * highWeight) > 0) label[i] = value;
  }
}
