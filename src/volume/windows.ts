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
  const inVolume = volumePlaces(size);
  const inWindow = windowPlaces(roiSize, axes);
  for (let c = 0; c < channels; c++) {
    const from = ((c * size[2] + start[2]) * size[1] + start[1]) * size[0] + start[0];
    copyBox(data, from, inVolume, out, c * nx * ny * nz, inWindow, roiSize);
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
  const [left, top, first] = start.map((at, axis) => Math.max(0, (axis === 2 ? slices.start : 0) - at));
  const width = Math.min(nx, size[0] - start[0]) - left;
  const height = Math.min(ny, size[1] - start[1]) - top;
  const depth = Math.min(nz, slices.end - start[2]) - first;
  const box: Vec3 = [width, height, depth];
  const inVolume = volumePlaces(size);
  const inWindow = windowPlaces(roiSize, axes);
  for (let c = 0; c < channels; c++) {
    const from = c * nx * ny * nz + left * inWindow.voxel + top * inWindow.row + first * inWindow.slice;
    const to = ((c * size[2] + start[2] + first) * size[1] + start[1] + top) * size[0] + start[0] + left;
    if (weights) {
      const weight = (first * ny + top) * nx + left;
      addWeighted(
        window,
        from,
        inWindow,
        weights,
        weight,
        windowPlaces(roiSize, 'zyx'),
        out,
        to,
        inVolume,
        box,
      );
    } else addBox(window, from, inWindow, out, to, inVolume, box);
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

/** How far neighbours are apart in an array: in a row, from row to row, from slice to slice. */
interface Places {
  readonly voxel: number;
  readonly row: number;
  readonly slice: number;
}

function volumePlaces([nx, ny]: Vec3): Places {
  return { voxel: 1, row: nx, slice: nx * ny };
}

function windowPlaces([nx, ny, nz]: Vec3, axes: ModelAxes): Places {
  return axes === 'xyz' ? { voxel: ny * nz, row: nz, slice: 1 } : { voxel: 1, row: nx, slice: nx * ny };
}

// These functions are short and contain all loops over voxels. V8 compiles them within the first window, and
// does not compile what calls them, which took it 20 to 40 ms per function.
//
// Eight voxels per iteration: V8 does not unroll loops, and the loop itself would take half of the time.

function copyBox(
  data: VoxelArray,
  from: number,
  inVolume: Places,
  out: Float32Array,
  to: number,
  { voxel, row, slice }: Places,
  box: Vec3,
): void {
  const width = box[0];
  const height = box[1];
  const depth = box[2];
  const extent = (height - 1) * inVolume.row + width;
  for (let k = 0; k < depth; k++) {
    let a = from + k * inVolume.slice;
    readAhead(data, a, a + extent);
    for (let j = 0; j < height; j++, a += inVolume.row) {
      const b = to + k * slice + j * row;
      let i = 0;
      for (; voxel === 1 && i <= width - 8; i += 8) {
        const p = a + i;
        const q = b + i;
        out[q] = data[p];
        out[q + 1] = data[p + 1];
        out[q + 2] = data[p + 2];
        out[q + 3] = data[p + 3];
        out[q + 4] = data[p + 4];
        out[q + 5] = data[p + 5];
        out[q + 6] = data[p + 6];
        out[q + 7] = data[p + 7];
      }
      for (; i < width; i++) out[b + i * voxel] = data[a + i];
    }
  }
}

function addBox(
  window: Float32Array,
  from: number,
  { voxel, row, slice }: Places,
  out: Float32Array,
  to: number,
  inVolume: Places,
  box: Vec3,
): void {
  const width = box[0];
  const height = box[1];
  const depth = box[2];
  const extent = (height - 1) * inVolume.row + width;
  for (let k = 0; k < depth; k++) {
    let b = to + k * inVolume.slice;
    readAhead(out, b, b + extent);
    for (let j = 0; j < height; j++, b += inVolume.row) {
      const a = from + k * slice + j * row;
      let i = 0;
      for (; voxel === 1 && i <= width - 8; i += 8) {
        const p = a + i;
        const q = b + i;
        out[q] += window[p];
        out[q + 1] += window[p + 1];
        out[q + 2] += window[p + 2];
        out[q + 3] += window[p + 3];
        out[q + 4] += window[p + 4];
        out[q + 5] += window[p + 5];
        out[q + 6] += window[p + 6];
        out[q + 7] += window[p + 7];
      }
      for (; i < width; i++) out[b + i] += window[a + i * voxel];
    }
  }
}

function addWeighted(
  window: Float32Array,
  from: number,
  inWindow: Places,
  weights: Float32Array,
  weight: number,
  inWeights: Places,
  out: Float32Array,
  to: number,
  inVolume: Places,
  box: Vec3,
): void {
  const width = box[0];
  const height = box[1];
  const depth = box[2];
  const { voxel } = inWindow;
  const extent = (height - 1) * inVolume.row + width;
  for (let k = 0; k < depth; k++) {
    let b = to + k * inVolume.slice;
    readAhead(out, b, b + extent);
    for (let j = 0; j < height; j++, b += inVolume.row) {
      const a = from + k * inWindow.slice + j * inWindow.row;
      const w = weight + k * inWeights.slice + j * inWeights.row;
      for (let i = 0; i < width; i++) out[b + i] += window[a + i * voxel] * weights[w + i];
    }
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

/**
 * Divides summed window outputs by the sum of the weights over each voxel, in place.
 *
 * @param weightSums Of the voxels from `first` on.
 */
export function divideByWeights_(
  out: Float32Array,
  channels: number,
  weightSums: Float32Array,
  first = 0,
): void {
  for (let c = 0; c < channels; c++) {
    const start = (c * out.length) / channels + first;
    for (let i = 0; i < weightSums.length; i++) out[start + i] /= weightSums[i];
  }
}
