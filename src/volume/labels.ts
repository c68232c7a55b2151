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

/** A box of voxels per axis, from `low` to `high` (exclusive); undefined if empty. */
export interface Box {
  readonly low: Vec3;
  readonly high: Vec3;
}

/**
 * The box around all voxels of slices `from` to `to` (exclusive) whose largest channel is not the first;
 * undefined if there are none.
 */
export function foregroundExtent(logits: Volume, from: number, to: number): Box | undefined {
  const [nx, ny] = logits.size;
  const { data, channels } = logits;
  const count = voxelCount(logits.size);
  const low = [nx, ny, to];
  const high = [0, 0, 0];
  for (let z = from; z < to; z++) {
    for (let y = 0; y < ny; y++) {
      const row = (z * ny + y) * nx;
      const [first, last] = rowExtent(data, row, nx, channels, count);
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
 * True if `labelSlices` can undo these steps: at most a reorientation and then a respacing along the axes.
 */
export function canLabel(logits: Grid, history: readonly HistoryStep[]): boolean {
  return plan(logits, history) !== undefined;
}

function plan(logits: Grid, history: readonly HistoryStep[]): Plan | undefined {
  const rest = [...history];
  let taps: readonly AxisTaps[] | undefined = logits.size.map((n) => ({
    low: Int32Array.from({ length: n }, (_, i) => i),
    high: Int32Array.from({ length: n }, (_, i) => i),
    lowWeight: new Float64Array(n).fill(1),
    highWeight: new Float64Array(n),
    nearest: new Int32Array(0),
  }));
  let size = logits.size;
  const last = rest.at(-1);
  if (last?.step === 'resample') {
    rest.pop();
    const path = planResample(logits, last.from, 'bilinear', last.padding);
    if (path !== 'same') taps = path.axes;
    size = last.from.size;
  }
  const orient = rest.at(-1);
  let first = size;
  let corner = 0;
  let strides = [1, size[0], size[0] * size[1]];
  if (orient?.step === 'orient') {
    rest.pop();
    first = orient.from.size;
    const steps = [1, first[0], first[0] * first[1]];
    strides = orient.axes.map((axis, k) => steps[axis] * orient.flips[k]);
    orient.axes.forEach((axis, k) => {
      if (orient.flips[k] < 0) corner += steps[axis] * (first[axis] - 1);
    });
  }
  if (rest.length > 0 || !taps) return undefined;
  return { size, taps, corner, strides: strides as Triple, first };
}

/** The number of slices that `labelSlices` processes: the z axis of the grid before the respacing. */
export function labelSliceCount(logits: Grid, history: readonly HistoryStep[]): number {
  return plan(logits, history)?.size[2] ?? 0;
}

/**
 * Labels from logits, on the grid of the image file, in one pass: softmax, inverse respacing, argmax, inverse
 * reorientation. The result equals that of `softmax`, `invertHistory` and `argmax`, but only two slices of
 * probabilities are in memory at a time.
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
  const probabilities = new Float32Array(channels * width * height);
  const rows = new Float64Array(nx * height);
  const slices = [0, 1].map(() => Array.from({ length: channels }, () => new Float64Array(nx * ny)));
  const held = [-1, -1];
  const sliceAt = (k: number, keep: number): Float64Array[] => {
    let place = held.indexOf(k);
    if (place < 0) {
      place = held[0] === keep ? 1 : 0;
      softmaxBox(logits, k, x0, y0, width, height, probabilities);
      for (let c = 0; c < channels; c++) {
        const part = probabilities.subarray(c * width * height, (c + 1) * width * height);
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
    for (let c = 0; c < channels; c++) blendLargest(low[c], high[c], lowWeight, highWeight, c, best, label);
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
