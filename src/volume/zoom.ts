import { roundHalfEven, transformPoint } from './affine.js';
import { type AxisTaps, linearSeparable, nearestSeparable } from './resample.js';
import {
  allocate,
  allocateLike,
  type Grid,
  type Triple,
  type Vec3,
  type Volume,
  type VoxelArray,
  voxelCount,
  type ZoomRule,
} from './volume.js';

// Resampling to another number of voxels over the same extent, as scikit-image's `resize` and scipy's `zoom`
// with `grid_mode` do it: the outer faces of the volumes coincide, and voxel o of n is at
// (o + 0.5) * nIn / nOut - 0.5. Nothing is smoothed before sizes are reduced.

/** Voxels are anisotropic if they are more than this many times as long along one axis as along another. */
const anisotropy = 3;

/** The size after resampling from one voxel size to another one. nnU-Net's `compute_new_shape`. */
export function zoomedSize(size: Vec3, from: Vec3, to: Vec3): Vec3 {
  return size.map((n, axis) => Math.max(1, roundHalfEven((from[axis] / to[axis]) * n))) as Triple;
}

/** The grid with another number of voxels over the same extent. */
export function zoomedGrid({ size, affine }: Grid, to: Vec3): Grid {
  const scales = size.map((n, axis) => n / to[axis]);
  const origin = transformPoint(affine, scales.map((scale) => 0.5 * scale - 0.5) as Triple);
  const zoomed = affine.map((value, i) => {
    const column = i % 4;
    if (i >= 12) return value;
    return column === 3 ? origin[i >> 2] : value * scales[column];
  });
  return { size: to, affine: zoomed };
}

/**
 * The axis that is resampled apart from the others, if any: the one along which voxels are longest, if they
 * are anisotropic before or, otherwise, after. Not if two axes share the largest length. nnU-Net's
 * `determine_do_sep_z_and_axis`.
 *
 * @param separateZ Whether there is one. null decides by the voxel sizes.
 */
export function separateAxis(from: Vec3, to: Vec3, separateZ: boolean | null): number | undefined {
  const isAnisotropic = (spacing: Vec3) => Math.max(...spacing) / Math.min(...spacing) > anisotropy;
  const chosen = (separateZ ?? isAnisotropic(from)) ? from : isAnisotropic(to) ? to : undefined;
  if (separateZ === false || !chosen) return undefined;
  const longest = [0, 1, 2].filter((axis) => Math.max(...chosen) / chosen[axis] === 1);
  return longest.length === 1 ? longest[0] : undefined;
}

/** One step of resampling: along one axis. */
export interface ZoomStage {
  readonly axis: number;
  readonly order: 0 | 1 | 3;
  /** The sizes before and after it. */
  readonly size: Vec3;
  readonly next: Vec3;
  /** Afterwards, values are clipped to those from before the first stage: a spline exceeds them. */
  readonly clips: boolean;
}

/** The steps that lead from one size to another one. The axis that is resampled apart comes last. */
export function zoomStages(size: Vec3, to: Vec3, { order, separate, orderZ }: ZoomRule): ZoomStage[] {
  const axes = [0, 1, 2].filter((axis) => axis !== separate);
  const stages: ZoomStage[] = [];
  let current = size;
  for (const axis of separate === undefined ? axes : [...axes, separate]) {
    if (current[axis] === to[axis]) continue;
    const next = current.map((n, k) => (k === axis ? to[axis] : n)) as Triple;
    stages.push({ axis, order: axis === separate ? orderZ : order, size: current, next, clips: false });
    current = next;
  }
  const last = stages.findLastIndex((stage) => stage.order === 3);
  return stages.map((stage, i) => ({ ...stage, clips: i === last }));
}

/** What each new voxel of an axis reads, for the orders 0 and 1. Beyond the border, its voxel counts. */
export function zoomTaps(from: number, to: number, order: 0 | 1): AxisTaps {
  const taps = {
    low: new Int32Array(to),
    high: new Int32Array(to),
    lowWeight: new Float64Array(to),
    highWeight: new Float64Array(to),
    nearest: new Int32Array(to),
  };
  const inside = (at: number) => Math.min(Math.max(at, 0), from - 1);
  for (let o = 0; o < to; o++) {
    const at = positionOf(o, from, to);
    const nearest = inside(Math.floor(at + 0.5));
    const floor = Math.floor(at);
    taps.nearest[o] = nearest;
    taps.low[o] = order === 0 ? nearest : inside(floor);
    taps.high[o] = order === 0 ? nearest : inside(floor + 1);
    taps.lowWeight[o] = order === 0 ? 1 : 1 - (at - floor);
    taps.highWeight[o] = order === 0 ? 0 : at - floor;
  }
  return taps;
}

function positionOf(o: number, from: number, to: number): number {
  return (from / to) * (o + 0.5) - 0.5;
}

/** Edge voxels that scipy repeats on both sides before it computes a spline. */
const edge = 12;

/** The pole of the cubic B-spline's prefilter. */
const pole = Math.sqrt(3) - 2;

/** Lines that are resampled at the same time. */
const lines = 128;

/** The number of parts that a stage can be split into. */
export function zoomParts({ axis, size }: ZoomStage): number {
  return axis === 2 ? size[1] : size[2];
}

/**
 * Resamples one channel along one axis, in float64, into `out`. Works on the slices `first` to `last`
 * (exclusive): those along z, or along y where the axis is z.
 */
export function zoomAlong(
  data: VoxelArray,
  { axis, order, size, next }: ZoomStage,
  first: number,
  last: number,
  out: VoxelArray,
): void {
  const strides = [1, size[0], size[0] * size[1]];
  const outStrides = [1, next[0], next[0] * next[1]];
  const slice = axis === 2 ? 1 : 2;
  const line = axis === 0 ? 1 : 0;
  const resample = lineResampler(size[axis], next[axis], order);
  for (let part = first; part < last; part++) {
    for (let start = 0; start < size[line]; start += lines) {
      const count = Math.min(lines, size[line] - start);
      const from = part * strides[slice] + start * strides[line];
      const to = part * outStrides[slice] + start * outStrides[line];
      resample(data, from, strides[axis], strides[line], count, out, to, outStrides[axis], outStrides[line]);
    }
  }
}

/** Resamples `count` lines, which begin `next` voxels apart and have voxels `step` apart. */
type LineResampler = (
  data: VoxelArray,
  from: number,
  step: number,
  next: number,
  count: number,
  out: VoxelArray,
  to: number,
  outStep: number,
  outNext: number,
) => void;

function lineResampler(from: number, to: number, order: 0 | 1 | 3): LineResampler {
  return order === 3 ? cubicLines(from, to) : linearLines(zoomTaps(from, to, order));
}

function linearLines({ low, high, lowWeight, highWeight }: AxisTaps): LineResampler {
  return (data, from, step, next, count, out, to, outStep, outNext) => {
    for (let o = 0; o < low.length; o++) {
      const a = from + low[o] * step;
      const b = from + high[o] * step;
      const [wa, wb] = [lowWeight[o], highWeight[o]];
      const target = to + o * outStep;
      if (wb === 0) {
        for (let i = 0; i < count; i++) out[target + i * outNext] = data[a + i * next];
      } else {
        for (let i = 0; i < count; i++) {
          out[target + i * outNext] = data[a + i * next] * wa + data[b + i * next] * wb;
        }
      }
    }
  };
}

function cubicLines(from: number, to: number): LineResampler {
  const padded = from + 2 * edge;
  const coefficients = new Float64Array(padded * lines);
  const places = new Int32Array(to);
  const weights = new Float64Array(4 * to);
  for (let o = 0; o < to; o++) {
    const at = positionOf(o, from, to) + edge;
    const floor = Math.floor(at);
    const y = at - floor;
    const z = 1 - y;
    places[o] = floor - 1;
    const [before, low, high] = [
      (z * z * z) / 6,
      (y * y * (y - 2) * 3 + 4) / 6,
      (z * z * (z - 2) * 3 + 4) / 6,
    ];
    weights.set([before, low, high, 1 - before - low - high], 4 * o);
  }
  return (data, start, step, next, count, out, target, outStep, outNext) => {
    for (let i = 0; i < padded; i++) {
      const row = start + Math.min(Math.max(i - edge, 0), from - 1) * step;
      const place = i * count;
      for (let c = 0; c < count; c++) coefficients[place + c] = data[row + c * next];
    }
    prefilter_(coefficients, padded, count);
    for (let o = 0; o < to; o++) {
      const a = places[o] * count;
      const [b, c, d] = [a + count, a + 2 * count, a + 3 * count];
      const [wa, wb, wc, wd] = [weights[4 * o], weights[4 * o + 1], weights[4 * o + 2], weights[4 * o + 3]];
      const row = target + o * outStep;
      for (let i = 0; i < count; i++) {
        out[row + i * outNext] =
          coefficients[a + i] * wa +
          coefficients[b + i] * wb +
          coefficients[c + i] * wc +
          coefficients[d + i] * wd;
      }
    }
  };
}

/** Voxels after which the pole's powers are below the precision of float64. */
const reach = 40;

/**
 * Turns `n` rows of samples into the coefficients of their interpolating cubic B-spline, column by column,
 * mirrored at the ends: scipy's `spline_filter1d`.
 */
function prefilter_(rows: Float64Array, n: number, width: number): void {
  const gain = (1 - pole) * (1 - 1 / pole);
  for (let i = 0; i < n * width; i++) rows[i] *= gain;
  const period = 2 * n - 2;
  for (let c = 0; c < width; c++) {
    let sum = 0;
    let power = 1;
    for (let k = 0; k < reach; k++, power *= pole) {
      const phase = k % period;
      sum += power * rows[(phase < n ? phase : period - phase) * width + c];
    }
    rows[c] = sum;
  }
  for (let i = 1; i < n; i++) {
    const row = i * width;
    for (let c = 0; c < width; c++) rows[row + c] += pole * rows[row - width + c];
  }
  const last = (n - 1) * width;
  for (let c = 0; c < width; c++) {
    rows[last + c] = ((pole * rows[last - width + c] + rows[last + c]) * pole) / (pole * pole - 1);
  }
  for (let i = n - 2; i >= 0; i--) {
    const row = i * width;
    for (let c = 0; c < width; c++) rows[row + c] = pole * (rows[row + width + c] - rows[row + c]);
  }
}

/** The smallest and largest value of one channel, or of each of its slices across an axis. */
export function rangesOf(data: VoxelArray, size: Vec3, across: number | undefined): Float64Array {
  const slices = across === undefined ? 1 : size[across];
  const ranges = new Float64Array(2 * slices);
  for (let i = 0; i < slices; i++) ranges.set([Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY], 2 * i);
  eachRun(size, across, (from, to, slice) => {
    let low = ranges[2 * slice];
    let high = ranges[2 * slice + 1];
    for (let at = from; at < to; at++) {
      const value = data[at];
      if (value < low) low = value;
      if (value > high) high = value;
    }
    ranges[2 * slice] = low;
    ranges[2 * slice + 1] = high;
  });
  return ranges;
}

/** Clips one channel, in place, to ranges of `rangesOf`: a spline exceeds the values that it goes through. */
export function clipTo_(
  data: VoxelArray,
  size: Vec3,
  across: number | undefined,
  ranges: Float64Array,
): void {
  eachRun(size, across, (from, to, slice) => {
    const low = ranges[2 * slice];
    const high = ranges[2 * slice + 1];
    for (let at = from; at < to; at++) {
      const value = data[at];
      if (value < low) data[at] = low;
      else if (value > high) data[at] = high;
    }
  });
}

/** Visits the runs of consecutive voxels that lie in one slice across an axis, or the whole channel. */
function eachRun(
  size: Vec3,
  across: number | undefined,
  visit: (from: number, to: number, slice: number) => void,
): void {
  const count = voxelCount(size);
  if (across === undefined) {
    visit(0, count, 0);
    return;
  }
  const length = across === 0 ? 1 : across === 1 ? size[0] : size[0] * size[1];
  for (let from = 0, run = 0; from < count; from += length, run++)
    visit(from, from + length, run % size[across]);
}

/**
 * Resamples a volume to a grid with another number of voxels over the same extent. The result is float32;
 * with the nearest voxel along all axes it keeps its type. The history does not change.
 */
export function zoomTo(volume: Volume, grid: Grid, rule: ZoomRule): Volume {
  const count = voxelCount(volume.size);
  const outCount = voxelCount(grid.size);
  const nearest = rule.order === 0 && rule.orderZ === 0;
  const length = outCount * volume.channels;
  const data = nearest ? allocateLike(volume.data, length) : allocate('float32', length);
  for (let c = 0; c < volume.channels; c++) {
    const channel = volume.data.subarray(c * count, (c + 1) * count);
    const out = data.subarray(c * outCount, (c + 1) * outCount);
    if (rule.order === 3) out.set(zoomChannel(channel, volume.size, grid.size, rule));
    else {
      const [x, y, z] = linearTaps(volume.size, grid.size, rule);
      if (nearest) nearestSeparable(channel, volume.size, x, y, z, out);
      else linearSeparable(channel, volume.size, x, y, z, out as Float32Array);
    }
  }
  return { ...volume, ...grid, data };
}

/** What each new voxel reads along each axis, for the orders 0 and 1. */
export function linearTaps(size: Vec3, to: Vec3, { order, separate, orderZ }: ZoomRule): AxisTaps[] {
  return size.map((n, axis) => zoomTaps(n, to[axis], (axis === separate ? orderZ : order) === 0 ? 0 : 1));
}

/** Resamples one channel with splines. The result is clipped to the values that it had. */
function zoomChannel(data: VoxelArray, size: Vec3, to: Vec3, rule: ZoomRule): VoxelArray {
  let values = data;
  for (const stage of zoomStages(size, to, rule)) {
    const out = allocate('float32', voxelCount(stage.next));
    zoomAlong(values, stage, 0, zoomParts(stage), out);
    if (stage.clips) clipTo_(out, stage.next, rule.separate, rangesOf(data, size, rule.separate));
    values = out;
  }
  return values;
}
