import { DataError } from '../errors.js';
import { transformPoint } from './affine.js';
import { allocateLike, type Triple, type Vec3, type Volume, voxelCount } from './volume.js';

/**
 * What to read outside a volume: one value, its mirror image (without repeating the border voxel), its border
 * voxels, or the volume again. These are PyTorch's names for padding. NumPy's names for the last two are
 * `edge` and `wrap`; its `symmetric` is a mirror image that repeats the border voxel.
 */
export const paddingModes = [
  'constant',
  'reflect',
  'replicate',
  'circular',
  'edge',
  'wrap',
  'symmetric',
] as const;

export type PaddingMode = (typeof paddingModes)[number];

/**
 * For positions `start … start + length - 1` of an axis of `size` voxels: the voxel to read, or -1 for the
 * constant.
 */
export function paddedIndices(start: number, length: number, size: number, mode: PaddingMode): Int32Array {
  const out = new Int32Array(length);
  for (let i = 0; i < length; i++) {
    const at = start + i;
    if (at >= 0 && at < size) out[i] = at;
    else if (mode === 'constant') out[i] = -1;
    else if (mode === 'replicate' || mode === 'edge') out[i] = at < 0 ? 0 : size - 1;
    else if (mode === 'circular' || mode === 'wrap') out[i] = ((at % size) + size) % size;
    else {
      const repeated = mode === 'symmetric' ? 1 : 0;
      const period = Math.max(2 * (size - 1 + repeated), 1);
      const phase = ((at % period) + period) % period;
      out[i] = phase < size ? phase : period - phase - repeated;
    }
  }
  return out;
}

/**
 * The part of a volume that begins at voxel `start` and has `size` voxels, padded outside the volume. Every
 * voxel keeps its position in mm.
 */
export function cropOrPad(
  volume: Volume,
  start: Vec3,
  size: Vec3,
  mode: PaddingMode = 'constant',
  value = 0,
): Volume {
  const from = { size: volume.size, affine: volume.affine };
  if (start.every((at) => at === 0) && size.every((n, axis) => n === from.size[axis])) return volume;
  const data = allocateLike(volume.data, voxelCount(size) * volume.channels);
  const [xs, ys, zs] = [0, 1, 2].map((axis) => paddedIndices(start[axis], size[axis], from.size[axis], mode));
  const straight = xs.every((x, i) => x >= 0 && x === xs[0] + i);
  if (value !== 0) data.fill(value);
  let to = 0;
  for (let channel = 0; channel < volume.channels; channel++) {
    for (const z of zs) {
      for (const y of ys) {
        if (z >= 0 && y >= 0) {
          const row = ((channel * from.size[2] + z) * from.size[1] + y) * from.size[0];
          if (straight) data.set(volume.data.subarray(row + xs[0], row + xs[0] + xs.length), to);
          else for (let i = 0; i < xs.length; i++) if (xs[i] >= 0) data[to + i] = volume.data[row + xs[i]];
        }
        to += xs.length;
      }
    }
  }
  const affine = [...volume.affine];
  const origin = transformPoint(volume.affine, start);
  for (let row = 0; row < 3; row++) affine[4 * row + 3] = origin[row];
  return { ...volume, size, affine, data, history: [...volume.history, { step: 'cropOrPad', from, start }] };
}

/** Where MONAI's `CenterSpatialCrop` cuts: the middle `roiSize` voxels; 0 or less means the whole axis. */
export function centerCropBox(size: Vec3, roiSize: Vec3): { start: Vec3; size: Vec3 } {
  const wanted = roiSize.map((n, axis) => (n > 0 ? n : size[axis]));
  const start = size.map((n, axis) => Math.max(Math.floor(n / 2) - Math.floor(wanted[axis] / 2), 0));
  const cut = size.map((n, axis) => Math.min(wanted[axis], n - start[axis]));
  return { start: start as Triple, size: cut as Triple };
}

/**
 * Where MONAI's `SpatialPad` pads: to at least `spatialSize`, on both sides (an odd voxel at the end) or at
 * the end.
 */
export function spatialPadBox(
  size: Vec3,
  spatialSize: Vec3,
  method: 'symmetric' | 'end',
): { start: Vec3; size: Vec3 } {
  const padded = size.map((n, axis) => Math.max(n, spatialSize[axis]));
  const start = size.map((n, axis) => (method === 'end' ? 0 : -Math.floor((padded[axis] - n) / 2)));
  return { start: start.map((n) => n + 0) as Triple, size: padded as Triple };
}

/** Where MONAI's `ResizeWithPadOrCrop` cuts or pads each axis to `spatialSize`; 0 or less keeps it. */
export function padOrCropBox(
  size: Vec3,
  spatialSize: Vec3,
  method: 'symmetric' | 'end',
): { start: Vec3; size: Vec3 } {
  const padded = spatialPadBox(size, spatialSize, method);
  const cut = centerCropBox(padded.size, spatialSize);
  return { start: padded.start.map((at, axis) => at + cut.start[axis]) as Triple, size: cut.size };
}

/** The size that MONAI's `DivisiblePad` pads to: the next multiple of `k` voxels; 0 or less keeps an axis. */
export function divisibleSize(size: Vec3, k: Vec3): Vec3 {
  return size.map((n, axis) => (k[axis] > 0 ? Math.ceil(n / k[axis]) * k[axis] : n)) as Triple;
}

/** A box of voxels, from `start` to `end` (exclusive). */
export interface Roi {
  readonly start: Vec3;
  readonly end: Vec3;
}

/** The box of `size` voxels around a voxel, moved so that it does not begin before the first voxel. */
export function roiAround(centre: Vec3, size: Vec3): Roi {
  const start = centre.map((at, axis) => Math.max(at - Math.floor(size[axis] / 2), 0));
  return { start: start as Triple, end: start.map((at, axis) => at + size[axis]) as Triple };
}

/**
 * The part of a box that is in a volume; MONAI's `SpatialCrop`. The size is 0 or less along an axis where
 * there is none.
 */
export function roiBox(size: Vec3, roi: Roi): { start: Vec3; size: Vec3 } {
  const start = roi.start.map((at) => Math.max(at, 0));
  const cut = size.map((n, axis) => Math.min(roi.end[axis], n) - start[axis]);
  return { start: start as Triple, size: cut as Triple };
}

/** The options of `foregroundBox`; see the operator `cropForeground`. */
export interface ForegroundSettings {
  readonly margin: Vec3;
  readonly allowSmaller: boolean;
  readonly kDivisible: Vec3;
  readonly channelIndices?: readonly number[];
  /**
   * What to do without a voxel above zero: fail, or take the whole volume or its first voxel as the box.
   * Default: `fail`.
   */
  readonly ifEmpty?: 'fail' | 'keep' | 'voxel';
}

/**
 * The box around all voxels above zero (in any of the channels), extended by a margin; MONAI's
 * `CropForeground`.
 */
export function foregroundBox(
  volume: Volume,
  settings: ForegroundSettings,
): { start: Vec3; size: Vec3; empty?: boolean } {
  const [nx, ny, nz] = volume.size;
  const low = [nx, ny, nz];
  const high = [-1, -1, -1];
  const channels = settings.channelIndices ?? Array.from({ length: volume.channels }, (_, i) => i);
  for (const channel of channels) {
    for (let z = 0; z < nz; z++) {
      for (let y = 0; y < ny; y++) {
        const row = ((channel * nz + z) * ny + y) * nx;
        let first = 0;
        while (first < nx && !(volume.data[row + first] > 0)) first++;
        if (first === nx) continue;
        let last = nx - 1;
        while (!(volume.data[row + last] > 0)) last--;
        low[0] = Math.min(low[0], first);
        high[0] = Math.max(high[0], last);
        low[1] = Math.min(low[1], y);
        high[1] = Math.max(high[1], y);
        low[2] = Math.min(low[2], z);
        high[2] = Math.max(high[2], z);
      }
    }
  }
  if (high[0] < 0) {
    if (settings.ifEmpty === 'keep') return { start: [0, 0, 0], size: volume.size, empty: true };
    if (settings.ifEmpty === 'voxel') return { start: [0, 0, 0], size: [1, 1, 1], empty: true };
    throw new DataError(
      'cropForeground found no voxel above zero to crop to. Crop before intensities are scaled, check the ' +
        'image, or set ifEmpty: keep to use the whole volume.',
    );
  }
  const start = [0, 0, 0];
  const size = [0, 0, 0];
  for (let axis = 0; axis < 3; axis++) {
    let from = low[axis] - settings.margin[axis];
    let to = high[axis] + settings.margin[axis] + 1;
    if (settings.allowSmaller) {
      from = Math.max(from, 0);
      to = Math.min(to, volume.size[axis]);
    }
    const k = settings.kDivisible[axis];
    size[axis] = k > 0 ? Math.ceil((to - from) / k) * k : to - from;
    start[axis] = from - Math.floor((size[axis] - (to - from)) / 2);
  }
  return { start: start as Triple, size: size as Triple };
}
