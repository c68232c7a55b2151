import {
  closeAffines,
  coveringGrid,
  fusedMultiplyAdd,
  identityAffine,
  multiply,
  solve,
  spacingOf,
  zoomAffine,
} from './affine.js';
import {
  type Affine,
  allocate,
  allocateLike,
  type Grid,
  type InterpolationMode,
  type ResamplePadding,
  type Triple,
  type Vec3,
  type Volume,
  type VoxelArray,
  voxelCount,
} from './volume.js';

/** The options of `respace`; see the operator `spacing`. */
export interface RespaceSettings {
  readonly pixdim: Vec3;
  readonly minPixdim?: readonly number[];
  readonly maxPixdim?: readonly number[];
  readonly mode: InterpolationMode;
  readonly padding: ResamplePadding;
  readonly diagonal: boolean;
  readonly scaleExtent: boolean;
}

/**
 * Voxel sizes that differ from the wanted ones by less than this, in mm, are kept: 1e-3, MONAI's
 * `AFFINE_TOL`. It is less for voxels below 0.1 mm, since 1e-3 mm can be a whole voxel in microscopy.
 */
function affineTolerance(...affines: readonly Affine[]): number {
  return Math.min(1e-3, 0.01 * Math.min(...affines.flatMap(spacingOf)));
}

/** The grid that `respace` gives a volume. */
export function respacedGrid(from: Grid, settings: Omit<RespaceSettings, 'mode' | 'padding'>): Grid {
  const tolerance = Math.min(affineTolerance(from.affine), 0.01 * Math.min(...settings.pixdim));
  const pixdim = spacingOf(from.affine).map((current, axis) => {
    const target = settings.pixdim[axis];
    const low = Math.min(settings.minPixdim?.[axis] ?? target, target) - tolerance;
    const high = Math.max(settings.maxPixdim?.[axis] ?? target, target) + tolerance;
    return low <= current && current <= high ? current : target;
  }) as Triple;
  return coveringGrid(from, zoomAffine(from.affine, pixdim, settings.diagonal), settings.scaleExtent);
}

/** Resamples a volume to voxels of `pixdim` mm; MONAI 1.3.2's `Spacing`. */
export function respace(volume: Volume, settings: RespaceSettings): Volume {
  const grid = respacedGrid(volume, settings);
  const respaced = resampleTo(volume, grid, settings.mode, settings.padding);
  return respaced === volume ? volume : { ...respaced, affine: reachedAffine(volume, grid) };
}

/**
 * The affine of a respaced volume. MONAI multiplies the affine of the volume by the map between the grids,
 * which differs from that of the grid in the last bits. They matter when the step is undone; see `solve`.
 */
export function reachedAffine(from: Grid, grid: Grid): Affine {
  const map = solve(from.affine, grid.affine);
  return map ? multiply(from.affine, map) : grid.affine;
}

/**
 * Resamples a volume onto another grid: each new voxel gets the value at its position in mm, trilinear (as
 * float32) or of the nearest voxel (same type). A volume that is on that grid within 1e-3 is returned
 * unchanged, with its affine. MONAI 1.3.2's `SpatialResample`.
 */
export function resampleTo(
  volume: Volume,
  grid: Grid,
  mode: InterpolationMode,
  padding: ResamplePadding = 'border',
): Volume {
  const { size, affine } = volume;
  const path = planResample(volume, grid, mode, padding);
  if (path === 'same') return volume;
  const { axes, theta } = path;
  const inCount = voxelCount(size);
  const outCount = voxelCount(grid.size);
  const data =
    mode === 'nearest'
      ? allocateLike(volume.data, outCount * volume.channels)
      : allocate('float32', outCount * volume.channels);
  for (let channel = 0; channel < volume.channels; channel++) {
    const from = volume.data.subarray(channel * inCount, (channel + 1) * inCount);
    const out = data.subarray(channel * outCount, (channel + 1) * outCount);
    if (axes) {
      const [x, y, z] = axes;
      if (mode === 'nearest') nearestSeparable(from, size, x, y, z, out);
      else linearSeparable(from, size, x, y, z, out as Float32Array);
    } else {
      resampleAffine(from, size, theta, grid.size, mode, padding, out);
    }
  }
  return {
    ...volume,
    ...grid,
    data,
    history: [...volume.history, { step: 'resample', from: { size, affine }, padding }],
  };
}

/** How voxels of one grid map to another grid: axis by axis if the axes agree, else by a general map. */
export interface ResamplePath {
  /**
   * What each new voxel reads, per axis; undefined if the grids are rotated or sheared against each other.
   */
  readonly axes?: readonly AxisTaps[];
  /** The map between normalised coordinates; see `normalisedMap`. */
  readonly theta: readonly number[];
}

/**
 * How to resample from one grid to another; `same` if they are equal within 1e-3 and there is nothing to do.
 */
export function planResample(
  { size, affine }: Grid,
  grid: Grid,
  mode: InterpolationMode,
  padding: ResamplePadding,
): ResamplePath | 'same' {
  const map = solve(affine, grid.affine);
  if (!map) throw new RangeError('The affine of the volume is singular.');
  const sameSize = size.every((n, axis) => n === grid.size[axis]);
  if (
    sameSize &&
    (closeAffines(affine, grid.affine, affineTolerance(affine, grid.affine)) ||
      closeAffines(map, identityAffine, 1e-3))
  ) {
    return 'same';
  }
  const theta = normalisedMap(map, size, grid.size);
  if (!isDiagonal(map, grid.size, mode === 'nearest' ? 1e-11 : 1e-6)) return { theta };
  const axes = size.map((n, axis) => {
    const [scale, move] = [theta[5 * axis], theta[4 * axis + 3]];
    const at = normalisedAxis(grid.size[axis]).map((base) => ((base * scale + move + 1) * n - 1) / 2);
    return axisTaps(at, n, padding);
  });
  return { axes, theta };
}

/**
 * True if every axis of one grid runs along the same axis of the other, within `tolerance` voxels overall. A
 * millionth is invisible in interpolated values, but decides which of two equally near voxels is the nearest.
 */
function isDiagonal(map: Affine, size: Vec3, tolerance: number): boolean {
  for (let row = 0; row < 3; row++) {
    for (let column = 0; column < 3; column++) {
      if (row !== column && Math.abs(map[4 * row + column]) * size[column] > tolerance) return false;
    }
  }
  return true;
}

/**
 * The map from PyTorch's normalised coordinates (align_corners false) of the new grid to those of the old
 * one, in the order of operations of MONAI's `to_norm_affine`: old normalisation, times `map`, times the
 * inverse of the new one.
 */
function normalisedMap(map: Affine, inSize: Vec3, outSize: Vec3): number[] {
  const out = [...map];
  for (let row = 0; row < 3; row++) {
    const normalise = 2 / inSize[row];
    let move = 0;
    for (let column = 0; column < 3; column++) {
      const denormalise = 1 / (2 / outSize[column]);
      const shift = -(1 / outSize[column] - 1) * denormalise;
      out[4 * row + column] = normalise * map[4 * row + column] * denormalise;
      move += normalise * map[4 * row + column] * shift;
    }
    out[4 * row + 3] = move + (normalise * map[4 * row + 3] + (1 / inSize[row] - 1));
  }
  return out;
}

/**
 * The normalised coordinates of `count` voxels of an axis, bit-identical to PyTorch's `affine_grid` in
 * float64 (1.13 on x86 with AVX2): a `linspace` from -1 to 1 that is computed in vectors of four, two at a
 * time, from both ends towards the middle, with a fused multiply-add for the first of a vector; then scaled
 * to voxel centres.
 */
function normalisedAxis(count: number): Float64Array {
  const out = new Float64Array(count);
  if (count === 1) return out;
  const step = 2 / (count - 1);
  const half = Math.floor(count / 2);
  const at = (j: number) =>
    j < half ? fusedMultiplyAdd(step, j, -1) : fusedMultiplyAdd(-step, count - 1 - j, 1);
  const vectors = count - (count % 8);
  for (let j = 0; j < count; j++) {
    const value = j < vectors ? at(j - (j % 4)) + (j % 4) * step : at(j);
    out[j] = (value * (count - 1)) / count;
  }
  return out;
}

/** Rounds to the nearest whole number, halves away from zero, like PyTorch's 3D `grid_sample`. */
function roundHalfAway(value: number): number {
  const floor = Math.floor(Math.abs(value));
  return Math.sign(value) * (Math.abs(value) - floor >= 0.5 ? floor + 1 : floor);
}

/**
 * For each new voxel of an axis, the two old ones around it and their weights; the nearest, or -1 for none.
 */
export interface AxisTaps {
  readonly low: Int32Array;
  readonly high: Int32Array;
  readonly lowWeight: Float64Array;
  readonly highWeight: Float64Array;
  readonly nearest: Int32Array;
}

function axisTaps(coordinates: Float64Array, size: number, padding: ResamplePadding): AxisTaps {
  const n = coordinates.length;
  const taps = {
    low: new Int32Array(n),
    high: new Int32Array(n),
    lowWeight: new Float64Array(n),
    highWeight: new Float64Array(n),
    nearest: new Int32Array(n),
  };
  for (let j = 0; j < n; j++) {
    const at = padding === 'border' ? Math.min(Math.max(coordinates[j], 0), size - 1) : coordinates[j];
    const floor = Math.floor(at);
    const inside = (index: number) => index >= 0 && index < size;
    taps.low[j] = inside(floor) ? floor : 0;
    taps.lowWeight[j] = inside(floor) ? floor + 1 - at : 0;
    taps.high[j] = inside(floor + 1) ? floor + 1 : taps.low[j];
    taps.highWeight[j] = inside(floor + 1) ? at - floor : 0;
    const nearest = roundHalfAway(at);
    taps.nearest[j] = inside(nearest) ? nearest : -1;
  }
  return taps;
}

/** Copies the voxels that are nearest along each axis. */
export function nearestSeparable(
  data: VoxelArray,
  size: Vec3,
  x: AxisTaps,
  y: AxisTaps,
  z: AxisTaps,
  out: VoxelArray,
): void {
  const nx = x.nearest.length;
  let to = 0;
  for (const k of z.nearest) {
    for (const j of y.nearest) {
      if (k >= 0 && j >= 0) {
        const row = (k * size[1] + j) * size[0];
        for (let i = 0; i < nx; i++) {
          const from = x.nearest[i];
          if (from >= 0) out[to + i] = data[row + from];
        }
      }
      to += nx;
    }
  }
}

/**
 * Trilinear interpolation axis by axis: each input slice that is needed is respaced in x and y once, and new
 * slices are blended from the two around them. In float64 until the end, like MONAI.
 */
export function linearSeparable(
  data: VoxelArray,
  size: Vec3,
  x: AxisTaps,
  y: AxisTaps,
  z: AxisTaps,
  out: Float32Array,
): void {
  const [nx, ny, nz] = [x.low.length, y.low.length, z.low.length];
  const rows = new Float64Array(nx * size[1]);
  const slices = [new Float64Array(nx * ny), new Float64Array(nx * ny)];
  const held = [-1, -1];

  const respaceSlice = (k: number, slice: Float64Array) => {
    for (let j = 0; j < size[1]; j++) {
      const row = (k * size[1] + j) * size[0];
      const to = j * nx;
      for (let i = 0; i < nx; i++) {
        rows[to + i] = data[row + x.low[i]] * x.lowWeight[i] + data[row + x.high[i]] * x.highWeight[i];
      }
    }
    for (let j = 0; j < ny; j++) {
      const low = y.low[j] * nx;
      const high = y.high[j] * nx;
      const lowWeight = y.lowWeight[j];
      const highWeight = y.highWeight[j];
      const to = j * nx;
      for (let i = 0; i < nx; i++) slice[to + i] = rows[low + i] * lowWeight + rows[high + i] * highWeight;
    }
  };
  const sliceAt = (k: number, keep: number): Float64Array => {
    let place = held.indexOf(k);
    if (place < 0) {
      place = held[0] === keep ? 1 : 0;
      respaceSlice(k, slices[place]);
      held[place] = k;
    }
    return slices[place];
  };

  for (let k = 0; k < nz; k++) {
    const low = sliceAt(z.low[k], z.high[k]);
    const high = sliceAt(z.high[k], z.low[k]);
    const lowWeight = z.lowWeight[k];
    const highWeight = z.highWeight[k];
    const to = k * nx * ny;
    for (let i = 0; i < nx * ny; i++) out[to + i] = low[i] * lowWeight + high[i] * highWeight;
  }
}

/**
 * Resampling along any normalised map, for sheared and rotated grids: every new voxel looks up its eight
 * neighbours.
 */
function resampleAffine(
  data: VoxelArray,
  size: Vec3,
  theta: readonly number[],
  outSize: Vec3,
  mode: InterpolationMode,
  padding: ResamplePadding,
  out: VoxelArray,
): void {
  const [nx, ny, nz] = size;
  const plane = nx * ny;
  const border = padding === 'border';
  const nearest = mode === 'nearest';
  const [t00, t01, t02, t03, t10, t11, t12, t13, t20, t21, t22, t23] = theta;
  const [xs, ys, zs] = outSize.map(normalisedAxis);
  const voxelAt = (normalised: number, n: number) => {
    const at = ((normalised + 1) * n - 1) / 2;
    return border ? Math.min(Math.max(at, 0), n - 1) : at;
  };
  let to = 0;
  for (const bz of zs) {
    for (const by of ys) {
      // Summed from z to x, since MONAI's axes are reversed.
      const rowX = bz * t02 + by * t01;
      const rowY = bz * t12 + by * t11;
      const rowZ = bz * t22 + by * t21;
      for (let a = 0; a < xs.length; a++) {
        const x = voxelAt(rowX + xs[a] * t00 + t03, nx);
        const y = voxelAt(rowY + xs[a] * t10 + t13, ny);
        const z = voxelAt(rowZ + xs[a] * t20 + t23, nz);
        if (nearest) {
          const i = roundHalfAway(x);
          const j = roundHalfAway(y);
          const k = roundHalfAway(z);
          const inside = i >= 0 && i < nx && j >= 0 && j < ny && k >= 0 && k < nz;
          out[to++] = inside ? data[k * plane + j * nx + i] : 0;
          continue;
        }
        const i = Math.floor(x);
        const j = Math.floor(y);
        const k = Math.floor(z);
        const lowX = i >= 0 && i < nx ? i + 1 - x : 0;
        const lowY = j >= 0 && j < ny ? j + 1 - y : 0;
        const lowZ = k >= 0 && k < nz ? k + 1 - z : 0;
        const highX = i >= -1 && i < nx - 1 ? x - i : 0;
        const highY = j >= -1 && j < ny - 1 ? y - j : 0;
        const highZ = k >= -1 && k < nz - 1 ? z - k : 0;
        // Neighbours outside have no weight; the border voxel is read in their place.
        const i0 = Math.min(Math.max(i, 0), nx - 1);
        const j0 = Math.min(Math.max(j, 0), ny - 1) * nx;
        const k0 = Math.min(Math.max(k, 0), nz - 1) * plane;
        const i1 = Math.min(Math.max(i + 1, 0), nx - 1);
        const j1 = Math.min(Math.max(j + 1, 0), ny - 1) * nx;
        const k1 = Math.min(Math.max(k + 1, 0), nz - 1) * plane;
        out[to++] =
          lowZ *
            (lowY * (lowX * data[k0 + j0 + i0] + highX * data[k0 + j0 + i1]) +
              highY * (lowX * data[k0 + j1 + i0] + highX * data[k0 + j1 + i1])) +
          highZ *
            (lowY * (lowX * data[k1 + j0 + i0] + highX * data[k1 + j0 + i1]) +
              highY * (lowX * data[k1 + j1 + i0] + highX * data[k1 + j1 + i1]));
      }
    }
  }
}
