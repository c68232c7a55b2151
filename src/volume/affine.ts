import type { Affine, Grid, Triple, Vec3 } from './volume.js';

/** The identity. */
export const identityAffine: Affine = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];

/** a * b + c, rounded once (Dekker's product and Knuth's sum). */
export function fusedMultiplyAdd(a: number, b: number, c: number): number {
  const split = (value: number) => {
    const scaled = 134217729 * value;
    const high = scaled - (scaled - value);
    return [high, value - high];
  };
  const [ah, al] = split(a);
  const [bh, bl] = split(b);
  const product = a * b;
  const productError = ah * bh - product + ah * bl + al * bh + al * bl;
  const sum = product + c;
  const back = sum - product;
  const sumError = product - (sum - back) + (c - back);
  return sum + (sumError + productError);
}

/** The matrix product `a b`, summed with fused multiply-adds; see `solve`. */
export function multiply(a: Affine, b: Affine): number[] {
  const out = new Array<number>(16);
  for (let row = 0; row < 4; row++) {
    for (let column = 0; column < 4; column++) {
      let sum = 0;
      for (let k = 0; k < 4; k++) sum = fusedMultiplyAdd(a[4 * row + k], b[4 * k + column], sum);
      out[4 * row + column] = sum;
    }
  }
  return out;
}

/** Applies an affine to a voxel index or any other point. */
export function transformPoint(affine: Affine, [x, y, z]: Vec3): [number, number, number] {
  const row = (r: number) =>
    affine[4 * r] * x + affine[4 * r + 1] * y + affine[4 * r + 2] * z + affine[4 * r + 3];
  return [row(0), row(1), row(2)];
}

/**
 * The solution X of `a X = b`, by Gaussian elimination with partial pivoting; undefined if `a` is singular.
 *
 * The operations and their order are those of LAPACK's `gesv` on processors with fused multiply-add. The last
 * bits matter: where a voxel is exactly half way between two others, they decide which one is nearest.
 */
export function solve(a: Affine, b: Affine): number[] | undefined {
  const left = [...a];
  const right = [...b];
  const largest = Math.max(...left.map(Math.abs));
  for (let column = 0; column < 4; column++) {
    let pivot = column;
    for (let row = column + 1; row < 4; row++) {
      if (Math.abs(left[4 * row + column]) > Math.abs(left[4 * pivot + column])) pivot = row;
    }
    if (!(Math.abs(left[4 * pivot + column]) > largest * 1e-14)) return undefined;
    for (let k = 0; k < 4; k++) {
      [left[4 * column + k], left[4 * pivot + k]] = [left[4 * pivot + k], left[4 * column + k]];
      [right[4 * column + k], right[4 * pivot + k]] = [right[4 * pivot + k], right[4 * column + k]];
    }
    for (let row = column + 1; row < 4; row++) {
      const factor = left[4 * row + column] / left[4 * column + column];
      if (factor === 0) continue;
      for (const [matrix, first] of [
        [left, column],
        [right, 0],
      ] as const) {
        for (let k = first; k < 4; k++) {
          matrix[4 * row + k] = fusedMultiplyAdd(-factor, matrix[4 * column + k], matrix[4 * row + k]);
        }
      }
    }
  }
  for (let column = 3; column >= 0; column--) {
    for (let k = 0; k < 4; k++) {
      let sum = right[4 * column + k];
      for (let row = 3; row > column; row--) {
        sum = fusedMultiplyAdd(-left[4 * column + row], right[4 * row + k], sum);
      }
      right[4 * column + k] = sum / left[4 * column + column];
    }
  }
  return right;
}

/** The inverse of an affine; undefined if it is singular. */
export function invertAffine(affine: Affine): number[] | undefined {
  return solve(affine, identityAffine);
}

/**
 * Converts an affine whose world axes point along `space` to RAS+; ITK and DICOM use `LPS`. All such
 * conversions happen here.
 */
export function toRas(affine: Affine, space: 'RAS' | 'LAS' | 'LPS'): number[] {
  return affine.map((value, i) => (i < 12 && space[i >> 2] !== 'RAS'[i >> 2] ? 0 - value : value));
}

/** The length in mm of one step along each voxel axis. */
export function spacingOf(affine: Affine): [number, number, number] {
  const length = (axis: number) => Math.hypot(affine[axis], affine[4 + axis], affine[8 + axis]);
  return [length(0), length(1), length(2)];
}

/**
 * True if the voxel axes are at an angle other than 90 degrees: two of them have a cosine above 1e-6, which
 * is more than rounding to float32 causes.
 */
export function isSheared(affine: Affine): boolean {
  const lengths = spacingOf(affine);
  const cosine = (a: number, b: number) =>
    [0, 4, 8].reduce((sum, row) => sum + affine[row + a] * affine[row + b], 0) / (lengths[a] * lengths[b]);
  return [cosine(0, 1), cosine(0, 2), cosine(1, 2)].some((value) => Math.abs(value) > 1e-6);
}

/** The volume of a voxel in mm³. */
export function voxelVolume([a, b, c, , d, e, f, , g, h, i]: Affine): number {
  return Math.abs(a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g));
}

/** True if the affine is finite and has an inverse. */
export function isUsableAffine(affine: Affine): boolean {
  return affine.every(Number.isFinite) && invertAffine(affine) !== undefined;
}

/** True if no entry differs by more than `tolerance` plus 1e-5 of its size (numpy's `allclose`). */
export function closeAffines(a: Affine, b: Affine, tolerance = 1e-3): boolean {
  return a.every((value, i) => Math.abs(value - b[i]) <= tolerance + 1e-5 * Math.abs(b[i]));
}

/** How far voxels of one grid may be from those of another one that counts as the same, in voxels. */
const gridTolerance = 0.05;

/**
 * True if two grids have the same voxels at the same positions: of equal size, and no voxel off by more than
 * a twentieth of a voxel along any axis. Rounding of headers to float32 stays below that, even for
 * quaternions near half a turn and thick slices, and a grid of half the voxel size is never taken for the
 * same.
 */
export function sameGrid(a: Grid, b: Grid): boolean {
  if (a.size.some((n, i) => n !== b.size[i])) return false;
  const map = solve(b.affine, a.affine);
  if (!map) return false;
  // The distance is linear along each axis, so it is largest at a corner.
  return cornersOf(a.size).every((corner) =>
    transformPoint(map, corner).every((at, axis) => Math.abs(at - corner[axis]) <= gridTolerance),
  );
}

function cornersOf([nx, ny, nz]: Vec3): Vec3[] {
  return [0, nx - 1].flatMap((x) => [0, ny - 1].flatMap((y) => [0, nz - 1].map((z): Vec3 => [x, y, z])));
}

/**
 * The affine with the same directions but `pixdim` mm per step, and no translation.
 *
 * The directions are those of the orthogonal matrix Q of a QR decomposition of the affine's 3x3 part, so
 * shears are removed. As in MONAI's `zoom_affine`, Q is the affine times the inverse of the Cholesky factor
 * of AᵀA, with the same rounding; see `solve`. With `diagonal`, the axes become those of the world.
 */
export function zoomAffine(affine: Affine, pixdim: Vec3, diagonal = false): number[] {
  const out = [...identityAffine];
  if (diagonal) {
    for (let axis = 0; axis < 3; axis++) out[5 * axis] = pixdim[axis];
    return out;
  }
  const linear = affine.map((value, i) => (i % 4 === 3 && i < 12 ? 0 : value));
  const upper = choleskyFactor(multiply(transposed(linear), linear));
  const inverse = invertAffine(upper);
  if (!inverse) throw new RangeError('The affine is singular.');
  const directions = multiply(linear, inverse);
  for (let row = 0; row < 3; row++) {
    for (let axis = 0; axis < 3; axis++) out[4 * row + axis] = directions[4 * row + axis] * pixdim[axis];
  }
  return out;
}

function transposed(matrix: Affine): number[] {
  return matrix.map((_, i) => matrix[4 * (i % 4) + (i >> 2)]);
}

/** The upper triangular R with RᵀR equal to a symmetric positive definite matrix. */
function choleskyFactor(matrix: Affine): number[] {
  const upper = new Array<number>(16).fill(0);
  for (let row = 0; row < 4; row++) {
    for (let column = row; column < 4; column++) {
      let rest = matrix[4 * row + column];
      for (let k = 0; k < row; k++) rest = fusedMultiplyAdd(-upper[4 * k + row], upper[4 * k + column], rest);
      upper[4 * row + column] = row === column ? Math.sqrt(rest) : rest / upper[5 * row];
    }
  }
  return upper;
}

/** Rounds to the nearest whole number, halves to the even one, like numpy and PyTorch. */
export function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest < 0.5) return floor;
  if (rest > 0.5) return floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}

/**
 * The grid that covers `from` with the directions and spacing of `target`. Its first voxel is at the corner
 * voxel of `from` that is lowest along the new axes. With `scaleExtent` the outer faces of the volumes
 * coincide, instead of the centres of their outer voxels. MONAI's `compute_shape_offset`.
 */
export function coveringGrid(from: Grid, target: Affine, scaleExtent = false): Grid {
  const size = from.size;
  const low = scaleExtent ? -0.5 : 0;
  const high = size.map((n) => (scaleExtent ? n - 0.5 : n - 1));
  const toTarget = solve(target, from.affine);
  if (!toTarget) throw new RangeError('The target affine is singular.');
  const corners: Vec3[] = [];
  for (const x of [low, high[0]]) {
    for (const y of [low, high[1]]) for (const z of [low, high[2]]) corners.push([x, y, z]);
  }
  const mapped = corners.map((corner) => transformPoint(toTarget, corner));
  const lowest = [0, 1, 2].map((axis) => Math.min(...mapped.map((point) => point[axis])));
  const extents = [0, 1, 2].map((axis) => Math.max(...mapped.map((point) => point[axis])) - lowest[axis]);
  const newSize = extents.map((extent) =>
    Math.max(1, roundHalfEven(scaleExtent ? extent : extent + 1)),
  ) as Triple;

  const affine = [...target];
  const corner = mapped.findIndex((point) => point.every((value, axis) => value - lowest[axis] <= 1e-8));
  let offset: readonly number[];
  if (corner >= 0) {
    offset = transformPoint(from.affine, corners[corner]);
  } else {
    // Sheared: no corner is lowest along all axes, so the centres are made to coincide.
    const centre = transformPoint(from.affine, [size[0] / 2, size[1] / 2, size[2] / 2]);
    const reach = transformPoint(
      [...target.slice(0, 3), 0, ...target.slice(4, 7), 0, ...target.slice(8, 11), 0, 0, 0, 0, 1],
      [newSize[0] / 2, newSize[1] / 2, newSize[2] / 2],
    );
    offset = centre.map((value, axis) => value - reach[axis]);
  }
  if (scaleExtent) {
    const inside = size.map((n, axis) => 0.5 * (n / newSize[axis] - 1)) as Triple;
    const shifted = transformPoint(from.affine, inside);
    offset = shifted.map((value, axis) => Math.abs(value) * Math.sign(offset[axis]));
  }
  for (let row = 0; row < 3; row++) affine[4 * row + 3] = offset[row];
  return { size: newSize, affine };
}
