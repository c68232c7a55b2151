import { solve, spacingOf, transformPoint } from './affine.js';
import { orientationOf } from './orientation.js';
import type { Grid, Triple, Vec3, Volume, VoxelArray } from './volume.js';

/** The planes for displaying a volume. */
export const planeNames = ['axial', 'coronal', 'sagittal'] as const;

export type PlaneName = (typeof planeNames)[number];

/**
 * A slice of a grid for display, in the convention of radiology: the patient's right is on the left of axial
 * and coronal slices, and the front is on the left of sagittal ones. The head is up; in axial slices, the
 * front is. Slices follow the voxel axes, so those of an oblique grid are oblique.
 */
export interface Plane {
  readonly name: PlaneName;
  /** Columns and rows, in voxels. */
  readonly width: number;
  readonly height: number;
  /** The same in mm. */
  readonly mm: readonly [number, number];
  /** The voxel index of a column and a row; fractions lie between voxels. */
  readonly voxel: (column: number, row: number) => Vec3;
}

/**
 * World axes (0 left-right, 1 back-front, 2 feet-head) of the columns and rows of a plane, all in reverse.
 */
const directions: Readonly<Record<PlaneName, readonly [number, number]>> = {
  axial: [0, 1],
  coronal: [0, 2],
  sagittal: [1, 2],
};

/** The slice of a grid in one of the planes, through the voxel `at`. */
export function planeThrough(grid: Grid, name: PlaneName, at: Vec3): Plane {
  const { axes, signs } = orientationOf(grid.affine);
  const [across, down] = directions[name].map((world) => axes.indexOf(world));
  const width = grid.size[across];
  const height = grid.size[down];
  const spacing = spacingOf(grid.affine);
  const place = (axis: number, step: number) => (signs[axis] > 0 ? grid.size[axis] - 1 - step : step);
  return {
    name,
    width,
    height,
    mm: [width * spacing[across], height * spacing[down]],
    voxel: (column, row) => {
      const index: [number, number, number] = [...at];
      index[across] = place(across, column);
      index[down] = place(down, row);
      return index;
    },
  };
}

/** The voxels of one channel that lie in a plane, row by row from the top. */
export function sliceOf(data: VoxelArray, size: Vec3, { width, height, voxel }: Plane): Float64Array {
  const out = new Float64Array(width * height);
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const [x, y, z] = voxel(column, row);
      out[row * width + column] = data[(z * size[1] + y) * size[0] + x];
    }
  }
  return out;
}

/**
 * A plane of `grid` through another volume, `columns` by `rows` pixels, row by row from the top: its first
 * channel, trilinear, NaN outside the volume. This is a slice of an image without resampling the whole image.
 */
export function sampleSlice(
  image: Volume,
  grid: Grid,
  plane: Plane,
  columns = plane.width,
  rows = plane.height,
): Float64Array {
  const map = solve(image.affine, grid.affine);
  if (!map) throw new RangeError('The affine of the image is singular.');
  const out = new Float64Array(columns * rows);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const at = plane.voxel(
        ((column + 0.5) * plane.width) / columns - 0.5,
        ((row + 0.5) * plane.height) / rows - 0.5,
      );
      out[row * columns + column] = trilinear(image.data, image.size, transformPoint(map, at));
    }
  }
  return out;
}

/** Keeps rounding in affines from removing the outermost voxels. */
const slack = 1e-3;

function trilinear(data: VoxelArray, [nx, ny, nz]: Vec3, [x, y, z]: Vec3): number {
  const inside = (at: number, n: number) => at >= -0.5 - slack && at <= n - 0.5 + slack;
  if (!(inside(x, nx) && inside(y, ny) && inside(z, nz))) return Number.NaN;
  const clamp = (at: number, n: number) => Math.min(Math.max(at, 0), n - 1);
  const [cx, cy, cz] = [clamp(x, nx), clamp(y, ny), clamp(z, nz)];
  const [x0, y0, z0] = [Math.floor(cx), Math.floor(cy), Math.floor(cz)];
  const [x1, y1, z1] = [Math.min(x0 + 1, nx - 1), Math.min(y0 + 1, ny - 1), Math.min(z0 + 1, nz - 1)];
  const [fx, fy, fz] = [cx - x0, cy - y0, cz - z0];
  const line = (j: number, k: number) => {
    const row = (k * ny + j) * nx;
    return data[row + x0] * (1 - fx) + data[row + x1] * fx;
  };
  const face = (k: number) => line(y0, k) * (1 - fy) + line(y1, k) * fy;
  return face(z0) * (1 - fz) + face(z1) * fz;
}

/**
 * A voxel in the middle of a mask: along each axis the median index of the nonzero voxels, so that the slices
 * through it show the mask even if it is bent. Undefined for an empty mask.
 */
export function middleOf(mask: VoxelArray, [nx, ny, nz]: Vec3): Vec3 | undefined {
  const counts = [new Float64Array(nx), new Float64Array(ny), new Float64Array(nz)];
  let total = 0;
  for (let z = 0; z < nz; z++) {
    for (let y = 0; y < ny; y++) {
      const row = (z * ny + y) * nx;
      let inRow = 0;
      for (let x = 0; x < nx; x++) {
        if (mask[row + x] === 0) continue;
        counts[0][x]++;
        inRow++;
      }
      counts[1][y] += inRow;
      counts[2][z] += inRow;
      total += inRow;
    }
  }
  if (total === 0) return undefined;
  return counts.map((along) => {
    let sum = 0;
    return along.findIndex((count) => (sum += count) * 2 >= total);
  }) as Triple;
}
