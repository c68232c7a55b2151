import { multiply, roundHalfEven } from './affine.js';
import {
  type Affine,
  allocate,
  allocateLike,
  type InterpolationMode,
  type Triple,
  type Vec3,
  type Volume,
  voxelCount,
} from './volume.js';

/**
 * What to read outside a volume when warping: zeros, the border voxel, or the mirror image (the border
 * repeated).
 */
export type WarpPadding = 'zeros' | 'border' | 'reflection';

/** The parameters of an affine warp; angles in radians, translations in voxels. */
export interface WarpSettings {
  /** Around x, y and z. */
  readonly rotate: Vec3;
  /** Off the diagonal, row by row: xy, xz, yx, yz, zx, zy. */
  readonly shear: readonly number[];
  readonly translate: Vec3;
  readonly scale: Vec3;
}

/**
 * The matrix of a warp, from a new voxel to an old one, both relative to the middle of their volumes:
 * rotations around x, y and z, then shear, translation and scale, multiplied in that order. MONAI's
 * `AffineGrid`.
 */
export function warpMatrix({ rotate, shear, translate, scale }: WarpSettings): number[] {
  const [cx, cy, cz] = rotate.map(Math.cos);
  const [sx, sy, sz] = rotate.map(Math.sin);
  const [xy, xz, yx, yz, zx, zy] = shear;
  const matrices: Affine[] = [
    [1, 0, 0, 0, 0, cx, -sx, 0, 0, sx, cx, 0, 0, 0, 0, 1],
    [cy, 0, sy, 0, 0, 1, 0, 0, -sy, 0, cy, 0, 0, 0, 0, 1],
    [cz, -sz, 0, 0, sz, cz, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1],
    [1, xy, xz, 0, yx, 1, yz, 0, zx, zy, 1, 0, 0, 0, 0, 1],
    [1, 0, 0, translate[0], 0, 1, 0, translate[1], 0, 0, 1, translate[2], 0, 0, 0, 1],
    [scale[0], 0, 0, 0, 0, scale[1], 0, 0, 0, 0, scale[2], 0, 0, 0, 0, 1],
  ];
  return [...matrices.reduce(multiply)];
}

/**
 * A volume of `size` voxels, each read from `volume` at the position that `matrix` maps it to; positions are
 * relative to the middle of their volumes. Trilinear (as float32) or the nearest voxel. The affine is
 * updated, so that the content keeps its position in mm. MONAI's `Affine` with `align_corners` false.
 *
 * @param offsets Added to the positions before they are mapped, in voxels: all x, then all y, then all z.
 */
export function warp(
  volume: Volume,
  matrix: Affine,
  size: Vec3,
  mode: InterpolationMode,
  padding: WarpPadding,
  offsets?: Float32Array,
): Volume {
  const from = { size: volume.size, affine: volume.affine };
  const shift = (n: Vec3, sign: number) => [
    1,
    0,
    0,
    (sign * (n[0] - 1)) / 2,
    0,
    1,
    0,
    (sign * (n[1] - 1)) / 2,
    0,
    0,
    1,
    (sign * (n[2] - 1)) / 2,
    0,
    0,
    0,
    1,
  ];
  const toOld = multiply(multiply(shift(from.size, 1), matrix), shift(size, -1));
  const count = voxelCount(size) * volume.channels;
  const data = mode === 'nearest' ? allocateLike(volume.data, count) : allocate('float32', count);
  const before = voxelCount(from.size);
  for (let channel = 0; channel < volume.channels; channel++) {
    lookUp(
      volume.data.subarray(channel * before, (channel + 1) * before),
      from.size,
      toOld,
      size,
      mode,
      padding,
      offsets,
      data.subarray(channel * voxelCount(size), (channel + 1) * voxelCount(size)),
    );
  }
  return {
    ...volume,
    data,
    size,
    affine: multiply(from.affine, toOld),
    history: [...volume.history, { step: 'resample', from, padding: 'zeros' }],
  };
}

/**
 * The size of a volume that holds a rotated one: the extent of its corners, rounded. MONAI's `Rotate` without
 * `keep_size`.
 */
export function rotatedSize(size: Vec3, matrix: Affine): Vec3 {
  return [0, 1, 2].map((row) => {
    const extent = size.reduce((sum, n, axis) => sum + Math.abs(matrix[4 * row + axis]) * n, 0);
    return Math.max(1, Math.floor(extent + 0.5));
  }) as Triple;
}

function lookUp(
  data: Volume['data'],
  [nx, ny, nz]: Vec3,
  m: Affine,
  size: Vec3,
  mode: InterpolationMode,
  padding: WarpPadding,
  offsets: Float32Array | undefined,
  out: Volume['data'],
): void {
  const plane = nx * ny;
  const place = (at: number, n: number) => {
    if (padding === 'zeros') return at;
    if (padding === 'border') return Math.min(Math.max(at, 0), n - 1);
    // The mirrors are at -0.5 and n - 0.5. Positions still outside are in the outer half of a border voxel.
    const phase = (((at + 0.5) % (2 * n)) + 2 * n) % (2 * n);
    return Math.min(Math.max((phase < n ? phase : 2 * n - phase) - 0.5, 0), n - 1);
  };
  /** A voxel, 0 outside the volume, which only the mode `zeros` reads. */
  const voxel = (i: number, j: number, k: number) =>
    i >= 0 && i < nx && j >= 0 && j < ny && k >= 0 && k < nz ? data[k * plane + j * nx + i] : 0;
  const count = voxelCount(size);
  let to = 0;
  for (let k0 = 0; k0 < size[2]; k0++) {
    for (let j0 = 0; j0 < size[1]; j0++) {
      for (let i0 = 0; i0 < size[0]; i0++) {
        const a = offsets ? i0 + offsets[to] : i0;
        const b = offsets ? j0 + offsets[count + to] : j0;
        const c = offsets ? k0 + offsets[2 * count + to] : k0;
        const x = place(m[0] * a + m[1] * b + m[2] * c + m[3], nx);
        const y = place(m[4] * a + m[5] * b + m[6] * c + m[7], ny);
        const z = place(m[8] * a + m[9] * b + m[10] * c + m[11], nz);
        if (mode === 'nearest') {
          out[to++] = voxel(roundHalfEven(x), roundHalfEven(y), roundHalfEven(z));
          continue;
        }
        const i = Math.floor(x);
        const j = Math.floor(y);
        const k = Math.floor(z);
        const u = x - i;
        const v = y - j;
        const w = z - k;
        if (i >= 0 && i + 1 < nx && j >= 0 && j + 1 < ny && k >= 0 && k + 1 < nz) {
          const at = k * plane + j * nx + i;
          const low =
            (data[at] * (1 - u) + data[at + 1] * u) * (1 - v) +
            (data[at + nx] * (1 - u) + data[at + nx + 1] * u) * v;
          const up = at + plane;
          const high =
            (data[up] * (1 - u) + data[up + 1] * u) * (1 - v) +
            (data[up + nx] * (1 - u) + data[up + nx + 1] * u) * v;
          out[to++] = low * (1 - w) + high * w;
          continue;
        }
        let sum = 0;
        for (let corner = 0; corner < 8; corner++) {
          const [di, dj, dk] = [corner & 1, (corner >> 1) & 1, corner >> 2];
          const weight = (di ? u : 1 - u) * (dj ? v : 1 - v) * (dk ? w : 1 - w);
          if (weight > 0) sum += weight * voxel(i + di, j + dj, k + dk);
        }
        out[to++] = sum;
      }
    }
  }
}
