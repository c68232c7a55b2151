import { blendRows } from './blendRows.js';
import { type IntensityMap, type IntensityRange, intensityMap } from './intensity.js';
import { axisMap, isIdentity, mapGridAxes, type Orientation, orientationOf } from './orientation.js';
import {
  type AxisTaps,
  planResample,
  type RespaceSettings,
  reachedAffine,
  respacedGrid,
} from './resample.js';
import {
  allocate,
  type Grid,
  type HistoryStep,
  type Triple,
  type Vec3,
  type Volume,
  type VoxelArray,
} from './volume.js';

/** What to do to an image before it goes into a model, in this order; each part is optional. */
export interface Preparation {
  /** See `reorient`. */
  readonly orientation?: Orientation;
  /** See `respace`. */
  readonly spacing?: RespaceSettings;
  /** See `scaleIntensityRange`. */
  readonly intensity?: IntensityRange;
}

/** The result of a preparation without its voxels: its grid, and the steps that led to it. */
export interface PreparedGrid extends Grid {
  readonly steps: readonly HistoryStep[];
}

interface Plan extends PreparedGrid {
  readonly taps: readonly AxisTaps[];
  /**
   * The index of the reoriented image's first voxel in the order of the file, and the steps along its axes.
   */
  readonly corner: number;
  readonly strides: Vec3;
}

/**
 * The grid that a preparation leads to. Undefined if it cannot be done in one pass, since the respacing is
 * not along the axes (a sheared affine) or not trilinear.
 */
export function preparedGrid(grid: Grid, preparation: Preparation): PreparedGrid | undefined {
  return plan(grid, preparation);
}

function plan({ size, affine }: Grid, { orientation, spacing }: Preparation): Plan | undefined {
  const steps: HistoryStep[] = [];
  const fileStrides = [1, size[0], size[0] * size[1]];
  let oriented: Grid = { size, affine };
  let corner = 0;
  let strides = fileStrides;
  if (orientation) {
    const map = axisMap(orientationOf(affine), orientation);
    if (!isIdentity(map)) {
      steps.push({ step: 'orient', from: oriented, ...map });
      oriented = mapGridAxes(oriented, map);
      strides = map.axes.map((axis, k) => fileStrides[axis] * map.flips[k]);
      map.axes.forEach((axis, k) => {
        if (map.flips[k] < 0) corner += fileStrides[axis] * (size[axis] - 1);
      });
    }
  }
  let result = oriented;
  let taps: readonly AxisTaps[] | undefined = oriented.size.map(identityTaps);
  if (spacing) {
    if (spacing.mode !== 'bilinear') return undefined;
    const grid = respacedGrid(oriented, spacing);
    const path = planResample(oriented, grid, spacing.mode, spacing.padding);
    if (path !== 'same') {
      taps = path.axes;
      steps.push({ step: 'resample', from: oriented, padding: spacing.padding });
      result = { size: grid.size, affine: reachedAffine(oriented, grid) };
    }
  }
  return taps && { ...result, steps, taps, corner, strides: strides as Triple };
}

function identityTaps(size: number): AxisTaps {
  const nearest = Int32Array.from({ length: size }, (_, i) => i);
  const none = new Float64Array(size);
  return { low: nearest, high: nearest, lowWeight: none.map(() => 1), highWeight: none, nearest };
}

/**
 * Prepares slices `from` to `to` (exclusive, along the new z axis) of an image of one channel, in one pass
 * from the stored voxels to float32. `out` holds the whole result; only these slices of it are written. The
 * numbers are bit-identical to those of `reorient`, `respace` and `scaleIntensityRange`. `preparedGrid` must
 * not be undefined.
 */
export function prepareSlices(
  volume: Volume,
  preparation: Preparation,
  from: number,
  to: number,
  out: Float32Array,
): void {
  const planned = plan(volume, preparation);
  if (!planned) throw new RangeError('This preparation cannot be done in one pass.');
  const { taps, corner, strides, size, steps } = planned;
  const [x, y, z] = taps;
  const [nx, ny] = size;
  const orientedRows = steps.findLast((step) => step.step === 'resample')?.from.size[1] ?? ny;
  const needed = neededRows(y, orientedRows);
  const xLow = x.low.map((i) => i * strides[0]);
  const xHigh = x.high.map((i) => i * strides[0]);
  const rows = new Float64Array(nx * orientedRows);
  const slices = [new Float64Array(nx * ny), new Float64Array(nx * ny)];
  const held = [-1, -1];
  const sliceAt = (k: number, keep: number): Float64Array => {
    let place = held.indexOf(k);
    if (place < 0) {
      place = held[0] === keep ? 1 : 0;
      const start = corner + k * strides[2];
      for (const j of needed) {
        blendRow(volume.data, start + j * strides[1], xLow, xHigh, x.lowWeight, x.highWeight, rows, j * nx);
      }
      for (let j = 0; j < ny; j++) {
        const low = y.low[j] * nx;
        const high = y.high[j] * nx;
        blendRows(rows, low, high, y.lowWeight[j], y.highWeight[j], nx, slices[place], j * nx);
      }
      held[place] = k;
    }
    return slices[place];
  };
  const scale = intensityMap(preparation.intensity);
  for (let k = from; k < to; k++) {
    const low = sliceAt(z.low[k], z.high[k]);
    const high = sliceAt(z.high[k], z.low[k]);
    blendSlices(low, high, z.lowWeight[k], z.highWeight[k], scale, out, k * nx * ny);
  }
}

function neededRows({ low, high }: AxisTaps, count: number): Int32Array {
  const used = new Uint8Array(count);
  for (let j = 0; j < low.length; j++) used[low[j]] = used[high[j]] = 1;
  return Int32Array.from({ length: count }, (_, j) => j).filter((j) => used[j] === 1);
}

// Four voxels per iteration: V8 does not unroll loops, and the loop itself would take a third of the time.

function blendRow(
  data: VoxelArray,
  start: number,
  low: Int32Array,
  high: Int32Array,
  lowWeight: Float64Array,
  highWeight: Float64Array,
  out: Float64Array,
  to: number,
): void {
  const count = low.length;
  let i = 0;
  for (; i <= count - 4; i += 4) {
    const j = i + 1;
    const k = i + 2;
    const l = i + 3;
    out[to + i] = data[start + low[i]] * lowWeight[i] + data[start + high[i]] * highWeight[i];
    out[to + j] = data[start + low[j]] * lowWeight[j] + data[start + high[j]] * highWeight[j];
    out[to + k] = data[start + low[k]] * lowWeight[k] + data[start + high[k]] * highWeight[k];
    out[to + l] = data[start + low[l]] * lowWeight[l] + data[start + high[l]] * highWeight[l];
  }
  for (; i < count; i++) {
    out[to + i] = data[start + low[i]] * lowWeight[i] + data[start + high[i]] * highWeight[i];
  }
}

function blendSlices(
  low: Float64Array,
  high: Float64Array,
  lowWeight: number,
  highWeight: number,
  { factor, offset, least, most }: IntensityMap,
  out: Float32Array,
  to: number,
): void {
  const count = low.length;
  let i = 0;
  // Rounded to float32 before scaling, like the separate steps.
  for (; i <= count - 4; i += 4) {
    const j = i + 1;
    const k = i + 2;
    const l = i + 3;
    const a = Math.fround(low[i] * lowWeight + high[i] * highWeight) * factor + offset;
    const b = Math.fround(low[j] * lowWeight + high[j] * highWeight) * factor + offset;
    const c = Math.fround(low[k] * lowWeight + high[k] * highWeight) * factor + offset;
    const d = Math.fround(low[l] * lowWeight + high[l] * highWeight) * factor + offset;
    out[to + i] = a < least ? least : a > most ? most : a;
    out[to + j] = b < least ? least : b > most ? most : b;
    out[to + k] = c < least ? least : c > most ? most : c;
    out[to + l] = d < least ? least : d > most ? most : d;
  }
  for (; i < count; i++) {
    const a = Math.fround(low[i] * lowWeight + high[i] * highWeight) * factor + offset;
    out[to + i] = a < least ? least : a > most ? most : a;
  }
}

/** A prepared image as a volume. */
export function preparedVolume(volume: Volume, grid: PreparedGrid, data: Float32Array): Volume {
  const { size, affine, steps } = grid;
  return { ...volume, size, affine, data, kind: 'image', history: [...volume.history, ...steps] };
}

/** Allocates the voxels of a prepared image. */
export function allocatePrepared({ size }: Grid): Float32Array {
  return allocate('float32', size[0] * size[1] * size[2]);
}
