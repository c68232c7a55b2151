import type { Affine, Vec3 } from './volume.js';

/** Up to this many points are compared one by one. */
const leafSize = 8;

/**
 * The distance from each of some points to the nearest of others, infinite if there are none. Points are
 * three numbers each. A k-d tree, for points that are not on a rectangular grid; `distancesTo` is faster on
 * one.
 */
export function nearestDistances(from: Float64Array, to: Float64Array): Float64Array {
  const points = to.slice();
  build(points, 0, points.length / 3, 0);
  const distances = new Float64Array(from.length / 3);
  for (let i = 0; i < distances.length; i++) {
    const at: Vec3 = [from[3 * i], from[3 * i + 1], from[3 * i + 2]];
    distances[i] = Math.sqrt(nearestSquare(points, at, 0, points.length / 3, 0, Number.POSITIVE_INFINITY));
  }
  return distances;
}

/**
 * The positions in mm of voxels, given as indices into a grid of `size` voxels; relative to its first voxel.
 */
export function pointsOf(voxels: Int32Array, [nx, ny]: Vec3, affine: Affine): Float64Array {
  const points = new Float64Array(3 * voxels.length);
  for (const [i, voxel] of voxels.entries()) {
    const x = voxel % nx;
    const y = Math.floor(voxel / nx) % ny;
    const z = Math.floor(voxel / (nx * ny));
    for (let row = 0; row < 3; row++) {
      points[3 * i + row] = affine[4 * row] * x + affine[4 * row + 1] * y + affine[4 * row + 2] * z;
    }
  }
  return points;
}

/** Sorts points `low` to `high` (exclusive) into a tree: the middle one divides the others along `axis`. */
function build(points: Float64Array, low: number, high: number, axis: number): void {
  if (high - low <= leafSize) return;
  const middle = (low + high) >> 1;
  select(points, low, high - 1, middle, axis);
  build(points, low, middle, (axis + 1) % 3);
  build(points, middle + 1, high, (axis + 1) % 3);
}

/**
 * Puts the point that would be at `wanted` after sorting by `axis` there, smaller ones before it
 * (quickselect).
 */
function select(points: Float64Array, first: number, last: number, wanted: number, axis: number): void {
  let [low, high] = [first, last];
  while (low < high) {
    const pivot = points[3 * wanted + axis];
    let [i, j] = [low, high];
    while (i <= j) {
      while (points[3 * i + axis] < pivot) i++;
      while (points[3 * j + axis] > pivot) j--;
      if (i <= j) swap(points, i++, j--);
    }
    if (j < wanted) low = i;
    if (wanted < i) high = j;
  }
}

function swap(points: Float64Array, i: number, j: number): void {
  for (let k = 0; k < 3; k++) {
    const value = points[3 * i + k];
    points[3 * i + k] = points[3 * j + k];
    points[3 * j + k] = value;
  }
}

/** The square of the distance to the nearest point of a subtree, or `best` if none is nearer. */
function nearestSquare(
  points: Float64Array,
  at: Vec3,
  low: number,
  high: number,
  axis: number,
  best: number,
): number {
  if (high - low <= leafSize) {
    let least = best;
    for (let i = low; i < high; i++) least = Math.min(least, squareTo(points, i, at));
    return least;
  }
  const middle = (low + high) >> 1;
  const next = (axis + 1) % 3;
  const beyond = at[axis] - points[3 * middle + axis];
  let least = Math.min(best, squareTo(points, middle, at));
  const [near, far] = beyond < 0 ? [low, middle + 1] : [middle + 1, low];
  least = nearestSquare(points, at, near, near === low ? middle : high, next, least);
  if (beyond * beyond >= least) return least;
  return nearestSquare(points, at, far, far === low ? middle : high, next, least);
}

function squareTo(points: Float64Array, i: number, [x, y, z]: Vec3): number {
  const dx = points[3 * i] - x;
  const dy = points[3 * i + 1] - y;
  const dz = points[3 * i + 2] - z;
  return dx * dx + dy * dy + dz * dz;
}
