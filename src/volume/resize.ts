import { multiply, roundHalfEven } from './affine.js';
import { cropOrPad, type PaddingMode, padOrCropBox } from './crop.js';
import { type AxisTaps, linearSeparable, nearestSeparable } from './resample.js';
import { gaussianSmooth } from './smooth.js';
import {
  type Affine,
  allocate,
  allocateLike,
  type Grid,
  type ResizeMode,
  type Triple,
  type Vec3,
  type Volume,
  type VoxelArray,
  voxelCount,
} from './volume.js';

/** The names of all modes. */
export const resizeModes = ['nearest', 'nearest-exact', 'trilinear', 'area'] as const;

/** Smoothing before a volume becomes smaller. */
export interface AntiAliasing {
  /** Standard deviations in voxels. Default: half of each axis's reduction minus 1. */
  readonly sigma?: Vec3;
}

/**
 * The size for MONAI's `size_mode`: `spatialSize` where it is above 0, or scaled so that the longest axis has
 * that many voxels.
 */
export function resizedSize(size: Vec3, spatialSize: Vec3, sizeMode: 'all' | 'longest'): Vec3 {
  if (sizeMode === 'all')
    return size.map((n, axis) => (spatialSize[axis] > 0 ? spatialSize[axis] : n)) as Triple;
  const scale = spatialSize[0] / Math.max(...size);
  return size.map((n) => Math.max(1, roundHalfEven(n * scale))) as Triple;
}

/**
 * The affine of a volume that was scaled to another size: the outer faces of both coincide. MONAI's
 * `scale_affine`.
 */
export function resizedAffine({ size, affine }: Grid, newSize: Vec3): Affine {
  const [x, y, z] = size.map((n, axis) => n / newSize[axis]);
  const scale = [x, 0, 0, (x - 1) / 2, 0, y, 0, (y - 1) / 2, 0, 0, z, (z - 1) / 2, 0, 0, 0, 1];
  return multiply(affine, scale);
}

/**
 * Scales a volume to another size: the nearest voxel (same type), trilinear, or the mean over the area of
 * each new voxel (both float32). A volume of that size is returned unchanged. MONAI's `Resize`, which is
 * PyTorch's `interpolate`.
 */
export function resizeTo(
  volume: Volume,
  size: Vec3,
  mode: ResizeMode,
  alignCorners = false,
  antiAliasing?: AntiAliasing,
): Volume {
  const from = { size: volume.size, affine: volume.affine };
  if (size.every((n, axis) => n === from.size[axis])) return volume;
  const source = antiAliasing ? antiAliased(volume, size, antiAliasing) : volume;
  const outCount = voxelCount(size);
  const inCount = voxelCount(from.size);
  const total = outCount * volume.channels;
  const data = mode.startsWith('nearest') ? allocateLike(source.data, total) : allocate('float32', total);
  for (let channel = 0; channel < volume.channels; channel++) {
    const values = source.data.subarray(channel * inCount, (channel + 1) * inCount);
    const out = data.subarray(channel * outCount, (channel + 1) * outCount);
    if (mode === 'area') averageSeparable(values, from.size, size, out as Float32Array);
    else {
      const [x, y, z] = size.map((n, axis) => axisTaps(from.size[axis], n, mode, alignCorners));
      if (mode === 'trilinear') linearSeparable(values, from.size, x, y, z, out as Float32Array);
      else nearestSeparable(values, from.size, x, y, z, out);
    }
  }
  const step = { step: 'resize', from, mode, alignCorners } as const;
  return { ...volume, size, affine: resizedAffine(from, size), data, history: [...volume.history, step] };
}

function antiAliased(volume: Volume, size: Vec3, { sigma }: AntiAliasing): Volume {
  const factors = volume.size.map((n, axis) => n / size[axis]);
  if (factors.every((factor) => factor <= 1)) return volume;
  const deviations = factors.map((factor, axis) =>
    sigma ? (factor > 1 ? sigma[axis] : 0) : Math.max(0, (factor - 1) / 2),
  );
  return gaussianSmooth(volume, deviations as Triple);
}

/** The old voxels that each of `length` new ones reads along an axis of `size`. */
function axisTaps(size: number, length: number, mode: ResizeMode, alignCorners: boolean): AxisTaps {
  const taps = {
    low: new Int32Array(length),
    high: new Int32Array(length),
    lowWeight: new Float64Array(length),
    highWeight: new Float64Array(length),
    nearest: new Int32Array(length),
  };
  // PyTorch computes the nearest voxel in float32, which decides ties.
  const single = Math.fround(size / length);
  const shift = mode === 'nearest-exact' ? 0.5 : 0;
  const scale = alignCorners ? (length > 1 ? (size - 1) / (length - 1) : 0) : size / length;
  for (let i = 0; i < length; i++) {
    taps.nearest[i] = Math.min(Math.floor(Math.fround((i + shift) * single)), size - 1);
    const at = alignCorners ? i * scale : Math.max((i + 0.5) * scale - 0.5, 0);
    const low = Math.min(Math.floor(at), size - 1);
    taps.low[i] = low;
    taps.high[i] = Math.min(low + 1, size - 1);
    taps.highWeight[i] = at - low;
    taps.lowWeight[i] = 1 - taps.highWeight[i];
  }
  return taps;
}

/** The old voxels, from `first` to `end` (exclusive), whose mean each new one is. */
interface Spans {
  readonly first: Int32Array;
  readonly end: Int32Array;
}

/** PyTorch's `adaptive_avg_pool`: every old voxel that a new one touches counts fully. */
function spans(size: number, length: number): Spans {
  return {
    first: Int32Array.from({ length }, (_, i) => Math.floor((i * size) / length)),
    end: Int32Array.from({ length }, (_, i) => Math.ceil(((i + 1) * size) / length)),
  };
}

/**
 * Means over boxes, axis by axis: each old slice is averaged in x and y once, and kept while new slices need
 * it.
 */
function averageSeparable(data: VoxelArray, size: Vec3, newSize: Vec3, out: Float32Array): void {
  const [nx, ny, nz] = newSize;
  const [xs, ys, zs] = size.map((n, axis) => spans(n, newSize[axis]));
  const most = Math.max(...zs.first.map((first, k) => zs.end[k] - first));
  const slices = Array.from({ length: most }, () => new Float64Array(nx * ny));
  const held = new Int32Array(most).fill(-1);
  const rows = new Float64Array(nx * size[1]);
  const sums = new Float64Array(nx * ny);
  for (let k = 0; k < nz; k++) {
    sums.fill(0);
    for (let at = zs.first[k]; at < zs.end[k]; at++) {
      const place = at % most;
      const slice = slices[place];
      if (held[place] !== at) {
        averageRows(data, at * size[0] * size[1], size[0], xs, rows);
        averageColumns(rows, nx, ys, slice);
        held[place] = at;
      }
      for (let i = 0; i < sums.length; i++) sums[i] += slice[i];
    }
    const count = zs.end[k] - zs.first[k];
    const to = k * nx * ny;
    for (let i = 0; i < sums.length; i++) out[to + i] = sums[i] / count;
  }
}

/** Averages each row of a slice of `width` voxels that begins at `start`. */
function averageRows(data: VoxelArray, start: number, width: number, xs: Spans, out: Float64Array): void {
  const nx = xs.first.length;
  for (let row = start, to = 0; to < out.length; row += width, to += nx) {
    for (let i = 0; i < nx; i++) {
      let sum = 0;
      for (let at = xs.first[i]; at < xs.end[i]; at++) sum += data[row + at];
      out[to + i] = sum / (xs.end[i] - xs.first[i]);
    }
  }
}

/** Averages rows of `nx` numbers. */
function averageColumns(rows: Float64Array, nx: number, ys: Spans, out: Float64Array): void {
  for (let j = 0; j < ys.first.length; j++) {
    const to = j * nx;
    const count = ys.end[j] - ys.first[j];
    out.fill(0, to, to + nx);
    for (let at = ys.first[j]; at < ys.end[j]; at++) {
      for (let i = 0; i < nx; i++) out[to + i] += rows[at * nx + i];
    }
    for (let i = 0; i < nx; i++) out[to + i] /= count;
  }
}

/** The options of `zoom`; see the operator. */
export interface ZoomSettings {
  readonly mode: ResizeMode;
  readonly alignCorners: boolean;
  readonly padding: PaddingMode;
  readonly keepSize: boolean;
}

/** The size of a zoomed volume, before it is cropped or padded. */
export function zoomedSize(size: Vec3, factors: Vec3): Vec3 {
  return size.map((n, axis) => Math.floor(n * factors[axis])) as Triple;
}

/**
 * Scales a volume by factors and, with `keepSize`, crops or pads it around its middle to its size before;
 * MONAI's `Zoom`.
 */
export function zoom(volume: Volume, factors: Vec3, settings: ZoomSettings): Volume {
  const scaled = resizeTo(volume, zoomedSize(volume.size, factors), settings.mode, settings.alignCorners);
  if (!settings.keepSize) return scaled;
  const box = padOrCropBox(scaled.size, volume.size, 'symmetric');
  return cropOrPad(scaled, box.start, box.size, settings.padding);
}
