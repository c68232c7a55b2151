import { roundHalfEven, spacingOf } from './affine.js';
import type { AxisTaps } from './resample.js';
import { linearSeparable, nearestSeparable } from './resample.js';
import {
  allocate,
  allocateLike,
  type Grid,
  type Triple,
  type Vec3,
  type Volume,
  type VoxelArray,
  voxelCount,
} from './volume.js';

// Resampling to another number of voxels as scipy's `ndimage.zoom` does it: the centres of the corner voxels
// coincide, and voxel o of N is at o * ((n - 1) / (N - 1)). Nothing is smoothed before sizes are reduced.

/**
 * The voxel size in mm as a NIfTI header states it: the lengths of the affine's columns, rounded to float32.
 */
export function headerSpacing({ affine }: Pick<Grid, 'affine'>): Triple {
  return spacingOf(affine).map(Math.fround) as Triple;
}

/**
 * The grid with voxels of `pixdim` mm, or undefined if the header's voxel size is exactly that. As in
 * TotalSegmentator, the affine states `pixdim`, although the distance of the new voxels is
 * (n - 1) / (N - 1) times the old one.
 */
export function cornerZoomGrid(grid: Grid, pixdim: Vec3): Grid | undefined {
  const spacing = headerSpacing(grid);
  if (spacing.every((length, axis) => length === pixdim[axis])) return undefined;
  const zooms = spacing.map((length, axis) => length / pixdim[axis]);
  const size = grid.size.map((n, axis) => Math.max(1, roundHalfEven(n * zooms[axis]))) as Triple;
  const affine = grid.affine.map((value, i) => (i < 12 && i % 4 < 3 ? value / zooms[i % 4] : value));
  return { size, affine };
}

/** The positions of `to` new voxels on an axis of `from` voxels. */
function positions(from: number, to: number): Float64Array {
  const step = to > 1 ? (from - 1) / (to - 1) : 0;
  return Float64Array.from({ length: to }, (_, o) => Math.min(o * step, from - 1));
}

/**
 * Interpolates one channel linearly in float64: the slices `first` to `last` (exclusive) of the new grid,
 * written to `out`. Integer arrays get the values without their fractions.
 *
 * The products and sums are those of scipy in their order, because it decides whether 99.999999 or 100 is
 * cut off.
 */
export function zoomCornerSlices(
  data: VoxelArray,
  size: Vec3,
  to: Vec3,
  first: number,
  last: number,
  out: VoxelArray,
): void {
  const [xs, ys, zs] = size.map((n, axis) => positions(n, to[axis]));
  const [nx, ny] = size;
  const [mx, my] = to;
  const lowX = Int32Array.from(xs, Math.floor);
  const highX = lowX.map((x) => Math.min(x + 1, nx - 1));
  const weightX0 = xs.map((x, i) => 1 - (x - lowX[i]));
  const weightX1 = weightX0.map((weight) => 1 - weight);
  let target = first * mx * my;
  for (let o = first; o < last; o++) {
    const z = Math.floor(zs[o]);
    const wz0 = 1 - (zs[o] - z);
    const wz1 = 1 - wz0;
    const slice0 = z * nx * ny;
    const slice1 = Math.min(z + 1, size[2] - 1) * nx * ny;
    for (let p = 0; p < my; p++) {
      const y = Math.floor(ys[p]);
      const wy0 = 1 - (ys[p] - y);
      const wy1 = 1 - wy0;
      const row0 = y * nx;
      const row1 = Math.min(y + 1, ny - 1) * nx;
      const [a, b, c, d] = [row0 + slice0, row0 + slice1, row1 + slice0, row1 + slice1];
      for (let i = 0; i < mx; i++) {
        const [x0, x1] = [lowX[i], highX[i]];
        const [wx0, wx1] = [weightX0[i], weightX1[i]];
        out[target++] =
          data[a + x0] * wx0 * wy0 * wz0 +
          data[b + x0] * wx0 * wy0 * wz1 +
          data[c + x0] * wx0 * wy1 * wz0 +
          data[d + x0] * wx0 * wy1 * wz1 +
          data[a + x1] * wx1 * wy0 * wz0 +
          data[b + x1] * wx1 * wy0 * wz1 +
          data[c + x1] * wx1 * wy1 * wz0 +
          data[d + x1] * wx1 * wy1 * wz1;
      }
    }
  }
}

/**
 * Brings a volume to another size with aligned corners: the nearest voxel (same type), or linear
 * interpolation (float32). The history does not change.
 */
export function zoomCorners(volume: Volume, grid: Grid, mode: 'nearest' | 'bilinear'): Volume {
  const count = voxelCount(volume.size);
  const outCount = voxelCount(grid.size);
  const length = outCount * volume.channels;
  const data = mode === 'nearest' ? allocateLike(volume.data, length) : allocate('float32', length);
  const [x, y, z] = volume.size.map((n, axis) => cornerTaps(n, grid.size[axis]));
  for (let c = 0; c < volume.channels; c++) {
    const channel = volume.data.subarray(c * count, (c + 1) * count);
    const out = data.subarray(c * outCount, (c + 1) * outCount);
    if (mode === 'nearest') nearestSeparable(channel, volume.size, x, y, z, out);
    else linearSeparable(channel, volume.size, x, y, z, out as Float32Array);
  }
  return { ...volume, ...grid, data };
}

function cornerTaps(from: number, to: number): AxisTaps {
  const at = positions(from, to);
  const low = Int32Array.from(at, Math.floor);
  return {
    low,
    high: low.map((i) => Math.min(i + 1, from - 1)),
    lowWeight: at.map((position, i) => 1 - (position - low[i])),
    highWeight: at.map((position, i) => position - low[i]),
    nearest: Int32Array.from(at, (position) => Math.min(Math.floor(position + 0.5), from - 1)),
  };
}
