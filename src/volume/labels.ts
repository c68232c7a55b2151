import { blendRows } from './blendRows.js';
import { type AxisTaps, planResample } from './resample.js';
import {
  type Grid,
  type HistoryStep,
  type Triple,
  type Vec3,
  type Volume,
  type VoxelArray,
  voxelCount,
} from './volume.js';
import { linearTaps, zoomTaps } from './zoom.js';

/** How the channels of an interpolated voxel become a label. */
export interface Decision {
  /** Apply softmax before interpolating. */
  readonly softmax: boolean;
  /**
   * The label of each channel: a voxel gets that of the last channel above 0. Default: the largest channel.
   */
  readonly regions?: readonly number[];
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
  const low = [nx, ny, to];
  const high = [0, 0, 0];
  for (let z = from; z < to; z++) {
    for (let y = 0; y < ny; y++) {
      const row = (z * ny + y) * nx;
      const [first, last] = regions
        ? regionExtent(data, row, nx, channels, count)
        : rowExtent(data, row, nx, channels, count);
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
 * The first and last voxel of a row in which a later channel exceeds the first; the last is -1 if there is
 * none.
 */
function rowExtent(
  data: VoxelArray,
  row: number,
  nx: number,
  channels: number,
  count: number,
): [number, number] {
  let first = nx;
  let last = -1;
  for (let c = 1; c < channels; c++) {
    const other = row + c * count;
    let x = 0;
    while (x < nx && !(data[other + x] > data[row + x])) x++;
    if (x === nx) continue;
    let end = nx - 1;
    while (!(data[other + end] > data[row + end])) end--;
    first = Math.min(first, x);
    last = Math.max(last, end);
  }
  return [first, last];
}

/** The first and last voxel of a row in which a channel is above 0; the last is -1 if there is none. */
function regionExtent(
  data: VoxelArray,
  row: number,
  nx: number,
  channels: number,
  count: number,
): [number, number] {
  let first = nx;
  let last = -1;
  for (let c = 0; c < channels; c++) {
    const at = row + c * count;
    let x = 0;
    while (x < nx && !(data[at + x] > 0)) x++;
    if (x === nx) continue;
    let end = nx - 1;
    while (!(data[at + end] > 0)) end--;
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

interface Plan {
  readonly size: Vec3;
  /** Per axis, the logits that each voxel of the grid before the respacing reads. */
  readonly taps: readonly AxisTaps[];
  /** The index of that grid's first voxel in the order of the first grid, and the steps along its axes. */
  readonly corner: number;
  readonly strides: Vec3;
  /** The size of the grid of the image file. */
  readonly first: Vec3;
}

/**
 * True if `labelSlices` can undo these steps: crops and reorientations and then at most one respacing along
 * the axes.
 */
export function canLabel(logits: Grid, history: readonly HistoryStep[]): boolean {
  return plan(logits, history) !== undefined;
}

function plan(logits: Grid, history: readonly HistoryStep[]): Plan | undefined {
  const last = history.at(-1);
  const respaced = last?.step === 'resample' || last?.step === 'zoom';
  const taps = respaced ? tapsOf(logits, last) : logits.size.map((n) => zoomTaps(n, n, 1));
  const size = respaced ? last.from.size : logits.size;
  const place = placeIn(respaced ? history.slice(0, -1) : history, size);
  return taps && place && { size, taps, ...place };
}

function tapsOf(
  logits: Grid,
  step: Extract<HistoryStep, { step: 'resample' | 'zoom' }>,
): readonly AxisTaps[] | undefined {
  if (step.step === 'resample') {
    const path = planResample(logits, step.from, 'bilinear', step.padding);
    return path === 'same' ? logits.size.map((n) => zoomTaps(n, n, 1)) : path.axes;
  }
  return linearTaps(logits.size, step.from.size, step.back);
}

/**
 * Where a grid lies in the first one, from which crops and reorientations led to it. Undefined after other
 * steps, and if the grid has voxels outside of the first one.
 */
function placeIn(
  history: readonly HistoryStep[],
  size: Vec3,
): Pick<Plan, 'corner' | 'strides' | 'first'> | undefined {
  // The voxel that the grid's first one is, and the step along each of the grid's axes: an axis and a sign.
  let corner: Vec3 = [0, 0, 0];
  let axes: Vec3 = [0, 1, 2];
  let signs: Vec3 = [1, 1, 1];
  for (const step of [...history].reverse()) {
    if (step.step === 'cropOrPad') {
      corner = corner.map((at, axis) => at + step.start[axis]) as Triple;
    } else if (step.step === 'orient') {
      const { flips, from } = step;
      const moved: [number, number, number] = [0, 0, 0];
      step.axes.forEach((axis, k) => {
        moved[axis] = flips[k] > 0 ? corner[k] : from.size[axis] - 1 - corner[k];
      });
      corner = moved;
      signs = signs.map((sign, k) => sign * flips[axes[k]]) as Triple;
      axes = axes.map((axis) => step.axes[axis]) as Triple;
    } else return undefined;
  }
  const first = history[0]?.from.size ?? size;
  const inside = axes.every((axis, k) => {
    const end = corner[axis] + signs[k] * (size[k] - 1);
    return Math.min(corner[axis], end) >= 0 && Math.max(corner[axis], end) < first[axis];
  });
  const steps = [1, first[0], first[0] * first[1]];
  return inside
    ? {
        first,
        corner: corner.reduce((sum, at, axis) => sum + at * steps[axis], 0),
        strides: axes.map((axis, k) => steps[axis] * signs[k]) as Triple,
      }
    : undefined;
}

/** The number of slices that `labelSlices` processes: the z axis of the grid before the respacing. */
export function labelSliceCount(logits: Grid, history: readonly HistoryStep[]): number {
  return plan(logits, history)?.size[2] ?? 0;
}

/**
 * Labels from logits, on the grid of the image file, in one pass: softmax (if asked for), inverse respacing,
 * decision, inverse crops and reorientations. The result equals that of `softmax`, `invertHistory` and
 * `argmax` (or `regionLabels`), but only two slices of channels are in memory at a time.
 *
 * The interpolated result can only be foreground near foreground (the box `extent`): a mean of voxels whose
 * first channel is the largest has its largest value there, too. The rest of `out` (zeros) is not touched.
 *
 * Works on slices `from` to `to` (exclusive) of the grid before the respacing. `canLabel` must be true.
 */
export function labelSlices(
  logits: Volume,
  history: readonly HistoryStep[],
  extent: Box,
  from: number,
  to: number,
  { softmax, regions }: Decision,
  out: Uint8Array | Uint16Array,
): void {
  const planned = plan(logits, history);
  if (!planned) throw new RangeError('These steps cannot be undone in one pass.');
  const { taps, corner, strides } = planned;
  const { channels } = logits;
  const [x, y, z] = taps.map((one, axis) => reach(one, extent.low[axis], extent.high[axis]));
  // The part of a slice of logits that the new voxels near foreground read.
  const [x0, x1] = readRange(taps[0], x);
  const [y0, y1] = readRange(taps[1], y);
  const width = x1 - x0;
  const height = y1 - y0;
  const nx = x.end - x.start;
  const ny = y.end - y.start;
  const values = new Float32Array(channels * width * height);
  const rows = new Float64Array(nx * height);
  const slices = [0, 1].map(() => Array.from({ length: channels }, () => new Float64Array(nx * ny)));
  const held = [-1, -1];
  const sliceAt = (k: number, keep: number): Float64Array[] => {
    let place = held.indexOf(k);
    if (place < 0) {
      place = held[0] === keep ? 1 : 0;
      const box = softmax ? softmaxBox : copyBox;
      box(logits, k, x0, y0, width, height, values);
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
  for (let k = Math.max(from, z.start); k < Math.min(to, z.end); k++) {
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

/**
 * The new voxels that read an old one from `low` to `high` (exclusive): one run, since both axes run the same
 * way.
 */
function reach(taps: AxisTaps, low: number, high: number): { start: number; end: number } {
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
function readRange(
  { low, high }: AxisTaps,
  { start, end }: { start: number; end: number },
): [number, number] {
  let first = Number.POSITIVE_INFINITY;
  let last = -1;
  for (let j = start; j < end; j++) {
    first = Math.min(first, low[j], high[j]);
    last = Math.max(last, low[j], high[j]);
  }
  return last < 0 ? [0, 0] : [first, last + 1];
}

function softmaxBox(
  { data, size, channels }: Volume,
  k: number,
  x0: number,
  y0: number,
  width: number,
  height: number,
  out: Float32Array,
): void {
  const count = voxelCount(size);
  const area = width * height;
  for (let j = 0; j < height; j++) {
    const row = (k * size[1] + y0 + j) * size[0] + x0;
    for (let i = 0; i < width; i++) {
      const from = row + i;
      const to = j * width + i;
      let largest = data[from];
      for (let c = 1; c < channels; c++) largest = Math.max(largest, data[from + c * count]);
      let sum = 0;
      for (let c = 0; c < channels; c++) {
        const value = Math.exp(data[from + c * count] - largest);
        out[to + c * area] = value;
        sum += value;
      }
      for (let c = 0; c < channels; c++) out[to + c * area] /= sum;
    }
  }
}

function copyBox(
  { data, size, channels }: Volume,
  k: number,
  x0: number,
  y0: number,
  width: number,
  height: number,
  out: Float32Array,
): void {
  const count = voxelCount(size);
  for (let c = 0; c < channels; c++) {
    for (let j = 0; j < height; j++) {
      const row = c * count + (k * size[1] + y0 + j) * size[0] + x0;
      out.set(data.subarray(row, row + width), (c * height + j) * width);
    }
  }
}

function respaceBox(
  part: Float32Array,
  width: number,
  height: number,
  xs: AxisTaps,
  ys: AxisTaps,
  x: { start: number; end: number },
  y: { start: number; end: number },
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
