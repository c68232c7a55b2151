import { roundHalfEven } from './affine.js';
import { type PaddingMode, paddedIndices } from './crop.js';
import type { Range } from './labels.js';
import { readAhead } from './readAhead.js';
import type { Triple, Vec3, VoxelArray } from './volume.js';

/** How to cut a volume into windows; see the operator `inference`. */
export interface WindowSettings {
  /** Size of a window in voxels; 0 or less means the size of the volume. */
  readonly roiSize: Vec3;
  /** Share of a window that the next one overlaps, from 0 to 1 (exclusive), per axis. */
  readonly overlap: Vec3;
  /**
   * The largest distance of neighbouring windows as a share of a window, by nnU-Net's rules: windows are
   * spread evenly over the volume, and the Gaussian is around voxel floor(size / 2). Default: MONAI's rules,
   * `overlap`.
   */
  readonly stepSize?: number;
  readonly mode: 'constant' | 'gaussian';
  /** Standard deviation of the Gaussian weights as a share of the window, per axis. */
  readonly sigmaScale: Vec3;
  readonly paddingMode: PaddingMode;
  readonly cval: number;
}

/** The positions of a volume's windows. */
export interface WindowPlan {
  readonly roiSize: Vec3;
  /** Per axis, the first voxel of each window as an index of the volume; negative if the volume is padded. */
  readonly starts: readonly [readonly number[], readonly number[], readonly number[]];
  readonly count: number;
}

/**
 * The windows of MONAI 1.3.2's `sliding_window_inference`: a volume smaller than a window is padded on both
 * sides (an odd voxel at the end). Windows are `roiSize * (1 - overlap)` apart, at least one voxel, and the
 * last one is moved back to end with the volume. With `stepSize`, they are those of nnU-Net's
 * `compute_steps_for_sliding_window`: as many as are needed to be at most `roiSize * stepSize` apart, at
 * least one voxel, and evenly spread.
 */
export function planWindows(
  size: Vec3,
  settings: Pick<WindowSettings, 'roiSize' | 'overlap' | 'stepSize'>,
): WindowPlan {
  const { stepSize, overlap } = settings;
  const roiSize = size.map((n, axis) => (settings.roiSize[axis] > 0 ? settings.roiSize[axis] : n));
  const starts = size.map((n, axis) => {
    const roi = roiSize[axis];
    if (n <= roi) return [-Math.floor((roi - n) / 2) + 0];
    if (stepSize !== undefined) {
      const count = Math.ceil((n - roi) / Math.max(roi * stepSize, 1)) + 1;
      const step = (n - roi) / (count - 1);
      return Array.from({ length: count }, (_, i) => roundHalfEven(i * step));
    }
    const step = Math.max(Math.trunc(roi * (1 - overlap[axis])), 1);
    const count = Math.ceil((n - roi) / step) + 1;
    return Array.from({ length: count }, (_, i) => Math.min(i * step, n - roi));
  });
  return {
    roiSize: roiSize as Triple,
    starts: starts as [number[], number[], number[]],
    count: starts.reduce((product, list) => product * list.length, 1),
  };
}

/**
 * The numbers of window `index` along the axes; z varies fastest, as in MONAI, so that sums are computed in
 * the same order.
 */
export function windowIndex({ starts: [, ys, zs] }: WindowPlan, index: number): Vec3 {
  const plane = ys.length * zs.length;
  return [Math.floor(index / plane), Math.floor(index / zs.length) % ys.length, index % zs.length];
}

/** The first voxel of window `index`. */
export function windowStart(plan: WindowPlan, index: number): Vec3 {
  return windowIndex(plan, index).map((at, axis) => plan.starts[axis][at]) as Triple;
}

/** The windows that overlap or touch window `index`, and itself. */
export function neighbours({ starts, roiSize }: WindowPlan, index: Vec3): number[] {
  const [xs, ys, zs] = starts.map((list, axis) => {
    const near = (start: number) => Math.abs(start - list[index[axis]]) <= roiSize[axis];
    return list.flatMap((start, i) => (near(start) ? [i] : []));
  });
  const rows = xs.flatMap((x) => ys.map((y) => (x * starts[1].length + y) * starts[2].length));
  return rows.flatMap((row) => zs.map((z) => row + z));
}

/**
 * The order in which a model reads the voxels of a window: z fastest (`xyz`, MONAI) or x fastest (`zyx`, ITK,
 * nnU-Net).
 */
export type ModelAxes = 'xyz' | 'zyx';

/** The size of a window in the order in which a model reads its axes: the fastest one last. */
export function inModelOrder([nx, ny, nz]: Vec3, axes: ModelAxes): Vec3 {
  return axes === 'xyz' ? [nx, ny, nz] : [nz, ny, nx];
}

/**
 * Copies a window of a volume (x fastest) into `out`, in the model's order of axes, padded where it reaches
 * outside.
 */
export function cutWindow(
  data: VoxelArray,
  size: Vec3,
  channels: number,
  start: Vec3,
  roiSize: Vec3,
  axes: ModelAxes,
  padding: Pick<WindowSettings, 'paddingMode' | 'cval'>,
  out: Float32Array,
): void {
  const inside = start.every((at, axis) => at >= 0 && at + roiSize[axis] <= size[axis]);
  if (!inside) {
    cutPadded(data, size, channels, start, roiSize, axes, padding, out);
    return;
  }
  const [nx, ny, nz] = roiSize;
  for (let c = 0; c < channels; c++) {
    for (let k = 0; k < nz; k++) {
      const from = ((c * size[2] + start[2] + k) * size[1] + start[1]) * size[0] + start[0];
      const to = c * nx * ny * nz;
      if (axes === 'zyx') copyRows(data, from, size[0], out, to + k * ny * nx, nx, ny, nx);
      else copyStrided(data, from, size[0], out, to + k, nz, ny * nz, ny, nx);
    }
  }
}

function cutPadded(
  data: VoxelArray,
  size: Vec3,
  channels: number,
  start: Vec3,
  roiSize: Vec3,
  axes: ModelAxes,
  padding: Pick<WindowSettings, 'paddingMode' | 'cval'>,
  out: Float32Array,
): void {
  const [nx, ny, nz] = roiSize;
  const indices = (axis: number) =>
    paddedIndices(start[axis], roiSize[axis], size[axis], padding.paddingMode);
  const [xs, ys, zs] = [indices(0), indices(1), indices(2)];
  const strideX = axes === 'xyz' ? ny * nz : 1;
  for (let c = 0; c < channels; c++) {
    for (let j = 0; j < ny; j++) {
      for (let k = 0; k < nz; k++) {
        let to = c * nx * ny * nz + (axes === 'xyz' ? j * nz + k : (k * ny + j) * nx);
        if (ys[j] < 0 || zs[k] < 0) {
          for (let i = 0; i < nx; i++, to += strideX) out[to] = padding.cval;
        } else {
          const row = ((c * size[2] + zs[k]) * size[1] + ys[j]) * size[0];
          for (let i = 0; i < nx; i++, to += strideX) out[to] = xs[i] < 0 ? padding.cval : data[row + xs[i]];
        }
      }
    }
  }
}

/**
 * Adds a window of model output to `out` (x fastest, the size of the volume), multiplied by weights if given
 * (x fastest). Voxels outside the volume are dropped.
 *
 * @param slices The slices of the volume that are added to. Default: all.
 */
export function addWindow(
  window: Float32Array,
  channels: number,
  start: Vec3,
  roiSize: Vec3,
  axes: ModelAxes,
  weights: Float32Array | undefined,
  size: Vec3,
  out: Float32Array,
  slices: Range = { start: 0, end: size[2] },
): void {
  const [nx, ny, nz] = roiSize;
  const [left, top] = [Math.max(0, -start[0]), Math.max(0, -start[1])];
  const width = Math.min(nx, size[0] - start[0]) - left;
  const height = Math.min(ny, size[1] - start[1]) - top;
  const [strideX, strideY, strideZ] = axes === 'xyz' ? [ny * nz, nz, 1] : [1, nx, nx * ny];
  const first = Math.max(0, slices.start - start[2]);
  const last = Math.min(nz, slices.end - start[2]);
  for (let c = 0; c < channels; c++) {
    for (let k = first; k < last; k++) {
      const from = c * nx * ny * nz + left * strideX + top * strideY + k * strideZ;
      const to = ((c * size[2] + start[2] + k) * size[1] + start[1] + top) * size[0] + start[0] + left;
      if (weights) {
        const w = (k * ny + top) * nx + left;
        addWeighted(window, from, strideY, strideX, weights, w, nx, out, to, size[0], height, width);
      } else if (strideX === 1) addRows(window, from, strideY, out, to, size[0], height, width);
      else addStrided(window, from, strideY, strideX, out, to, size[0], height, width);
    }
  }
}

/**
 * Mirrors a window of several channels along some of its axes into `out`, or adds the mirror image to it.
 *
 * @param dims The sizes of the window's axes, the last one fastest.
 * @param mirrored Whether each axis is mirrored.
 */
export function mirrorWindow(
  window: Float32Array,
  channels: number,
  dims: Vec3,
  mirrored: readonly boolean[],
  add: boolean,
  out: Float32Array,
): void {
  const [na, nb, nc] = dims;
  const place = (i: number, axis: number) => (mirrored[axis] ? dims[axis] - 1 - i : i);
  let to = 0;
  for (let c = 0; c < channels; c++) {
    for (let a = 0; a < na; a++) {
      for (let b = 0; b < nb; b++) {
        const row = ((c * na + place(a, 0)) * nb + place(b, 1)) * nc;
        const [first, step] = mirrored[2] ? [row + nc - 1, -1] : [row, 1];
        if (add) for (let i = 0, from = first; i < nc; i++, from += step) out[to++] += window[from];
        else for (let i = 0, from = first; i < nc; i++, from += step) out[to++] = window[from];
      }
    }
  }
}

// The rows of a slice. For each array, `from` and `to` are where the first row begins; `fromRow`, `toVoxel`
// etc. are how far apart rows and voxels are. These functions take only arrays and numbers and are short, so
// that V8 compiles them within the first window.
//
// Eight voxels per iteration: V8 does not unroll loops, and the loop itself would take half of the time.

function copyRows(
  data: VoxelArray,
  from: number,
  fromRow: number,
  out: Float32Array,
  to: number,
  toRow: number,
  height: number,
  width: number,
): void {
  readAhead(data, from, from + (height - 1) * fromRow + width);
  for (let j = 0; j < height; j++, from += fromRow, to += toRow) {
    let i = 0;
    for (; i <= width - 8; i += 8) {
      const a = from + i;
      const b = to + i;
      out[b] = data[a];
      out[b + 1] = data[a + 1];
      out[b + 2] = data[a + 2];
      out[b + 3] = data[a + 3];
      out[b + 4] = data[a + 4];
      out[b + 5] = data[a + 5];
      out[b + 6] = data[a + 6];
      out[b + 7] = data[a + 7];
    }
    for (; i < width; i++) out[to + i] = data[from + i];
  }
}

function copyStrided(
  data: VoxelArray,
  from: number,
  fromRow: number,
  out: Float32Array,
  to: number,
  toRow: number,
  toVoxel: number,
  height: number,
  width: number,
): void {
  readAhead(data, from, from + (height - 1) * fromRow + width);
  for (let j = 0; j < height; j++, from += fromRow, to += toRow) {
    for (let i = 0, at = to; i < width; i++, at += toVoxel) out[at] = data[from + i];
  }
}

function addRows(
  window: Float32Array,
  from: number,
  fromRow: number,
  out: Float32Array,
  to: number,
  toRow: number,
  height: number,
  width: number,
): void {
  readAhead(out, to, to + (height - 1) * toRow + width);
  for (let j = 0; j < height; j++, from += fromRow, to += toRow) {
    let i = 0;
    for (; i <= width - 8; i += 8) {
      const a = from + i;
      const b = to + i;
      out[b] += window[a];
      out[b + 1] += window[a + 1];
      out[b + 2] += window[a + 2];
      out[b + 3] += window[a + 3];
      out[b + 4] += window[a + 4];
      out[b + 5] += window[a + 5];
      out[b + 6] += window[a + 6];
      out[b + 7] += window[a + 7];
    }
    for (; i < width; i++) out[to + i] += window[from + i];
  }
}

function addStrided(
  window: Float32Array,
  from: number,
  fromRow: number,
  fromVoxel: number,
  out: Float32Array,
  to: number,
  toRow: number,
  height: number,
  width: number,
): void {
  readAhead(out, to, to + (height - 1) * toRow + width);
  for (let j = 0; j < height; j++, from += fromRow, to += toRow) {
    for (let i = 0, at = from; i < width; i++, at += fromVoxel) out[to + i] += window[at];
  }
}

function addWeighted(
  window: Float32Array,
  from: number,
  fromRow: number,
  fromVoxel: number,
  weights: Float32Array,
  weight: number,
  weightRow: number,
  out: Float32Array,
  to: number,
  toRow: number,
  height: number,
  width: number,
): void {
  readAhead(out, to, to + (height - 1) * toRow + width);
  for (let j = 0; j < height; j++, from += fromRow, weight += weightRow, to += toRow) {
    for (let i = 0, at = from; i < width; i++, at += fromVoxel)
      out[to + i] += window[at] * weights[weight + i];
  }
}

/**
 * The weights of a window's voxels, x fastest: a product of Gaussians around the middle of the window with a
 * standard deviation of `sigmaScale` window sizes, at least 1e-3 and its smallest nonzero value. Undefined
 * for equal weights. MONAI 1.3.2's `compute_importance_map`.
 *
 * With `stepSize`, they are nnU-Net's: around voxel floor(size / 2), in float64, and however small.
 */
export function windowWeights(
  roiSize: Vec3,
  settings: Pick<WindowSettings, 'mode' | 'sigmaScale' | 'stepSize'>,
): Float32Array | undefined {
  if (settings.mode === 'constant') return undefined;
  const gaussian = (n: number, axis: number, middle: number) => {
    const sigma = settings.sigmaScale[axis] * n;
    return Float64Array.from({ length: n }, (_, i) => Math.exp(-((i - middle) ** 2) / (2 * sigma * sigma)));
  };
  if (settings.stepSize !== undefined) {
    return outerProduct(roiSize.map((n, axis) => gaussian(n, axis, Math.floor(n / 2))));
  }
  const [gx, gy, gz] = roiSize.map((n, axis) => Float32Array.from(gaussian(n, axis, (n - 1) / 2)));
  const weights = new Float32Array(roiSize[0] * roiSize[1] * roiSize[2]);
  let to = 0;
  let least = Number.POSITIVE_INFINITY;
  for (const z of gz) {
    for (const y of gy) {
      for (const x of gx) {
        // x times y first, then z: the order of MONAI's outer products, rounded to float32 after each.
        weights[to] = Math.fround(x * y) * z;
        least = Math.min(least, weights[to++]);
      }
    }
  }
  const floor = Math.max(least, 1e-3);
  for (let i = 0; i < weights.length; i++) if (weights[i] < floor) weights[i] = floor;
  return weights;
}

function outerProduct([gx, gy, gz]: readonly Float64Array[]): Float32Array {
  const weights = new Float32Array(gx.length * gy.length * gz.length);
  let to = 0;
  for (const z of gz) for (const y of gy) for (const x of gx) weights[to++] = x * y * z;
  return weights;
}

/**
 * Divides summed window outputs by the number of windows over each voxel, in place, without a volume of
 * weights.
 *
 * @param counts By axis and voxel; see `countWindows`.
 */
export function divideByCounts_(
  out: Float32Array,
  channels: number,
  size: Vec3,
  [xs, ys, zs]: readonly Float64Array[],
  slices: Range = { start: 0, end: size[2] },
): void {
  for (let c = 0; c < channels; c++) {
    let at = (c * size[2] + slices.start) * size[0] * size[1];
    for (let k = slices.start; k < slices.end; k++) {
      for (let j = 0; j < size[1]; j++) {
        const row = ys[j] * zs[k];
        for (let i = 0; i < size[0]; i++) out[at++] /= xs[i] * row;
      }
    }
  }
}

/** By axis and voxel, how many of the axis's windows cover the voxel. */
export function countWindows(size: Vec3, plan: WindowPlan): Float64Array[] {
  return size.map((n, axis) => {
    const counts = new Float64Array(n);
    for (const start of plan.starts[axis]) {
      for (let i = Math.max(start, 0); i < Math.min(start + plan.roiSize[axis], n); i++) counts[i]++;
    }
    return counts;
  });
}

/** Divides summed window outputs by the sum of the weights over each voxel, in place. */
export function divideByWeights_(
  out: Float32Array,
  channels: number,
  weightSums: Float32Array,
  voxels: Range = { start: 0, end: weightSums.length },
): void {
  for (let c = 0; c < channels; c++) {
    const channel = c * weightSums.length;
    for (let i = voxels.start; i < voxels.end; i++) out[channel + i] /= weightSums[i];
  }
}
