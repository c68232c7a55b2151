import type { Box } from './regions.js';
import { grow, type Vec3, type VoxelArray } from './volume.js';

/**
 * Which voxels count as neighbours, by the number of axes along which they may differ by one: 1 = the 6 that
 * share a face, 2 = the 18 that share a face or an edge, 3 = all 26. As in scikit-image and scipy.
 */
export type Connectivity = 1 | 2 | 3;

/**
 * The connected components of a mask as runs of voxels along x, which takes far less memory than a volume of
 * numbers.
 */
export interface Components {
  /** The first voxel of each run, as an index into the mask; in the order of the mask. */
  readonly starts: Int32Array;
  /** The number of voxels of each run. */
  readonly lengths: Int32Array;
  /** The component that each run belongs to; components are numbered from 0 by their first voxels. */
  readonly ids: Int32Array;
  /** The number of voxels of each component. */
  readonly sizes: Int32Array;
}

/**
 * Finds the connected components of a mask of `size` voxels (x fastest; 0 is outside). Runs of voxels are
 * joined with those of earlier rows by union-find (the run-based labelling of He, Chao and Suzuki, IEEE
 * Transactions on Image Processing 17, 2008, in three dimensions).
 */
export function connectedComponents(mask: Uint8Array, size: Vec3, connectivity: Connectivity): Components {
  const { starts, lengths, firstOfRow } = findRuns(mask, size);
  const [nx, ny, nz] = size;
  const parents = Int32Array.from(starts.keys());
  for (let row = 0; row < ny * nz; row++) {
    if (firstOfRow[row] === firstOfRow[row + 1]) continue;
    const y = row % ny;
    for (const { dy, dz, reach } of rowsBefore(connectivity)) {
      const other = row + dz * ny + dy;
      if (y + dy < 0 || y + dy >= ny || other < 0) continue;
      const shift = (row - other) * nx;
      let a = firstOfRow[row];
      let b = firstOfRow[other];
      while (a < firstOfRow[row + 1] && b < firstOfRow[other + 1]) {
        const start = starts[b] + shift;
        const endA = starts[a] + lengths[a];
        const endB = start + lengths[b];
        if (start < endA + reach && starts[a] < endB + reach) join(parents, a, b);
        if (endA < endB) a++;
        else b++;
      }
    }
  }
  const ids = new Int32Array(parents.length);
  let count = 0;
  for (let run = 0; run < parents.length; run++) {
    ids[run] = parents[run] === run ? count++ : ids[find(parents, run)];
  }
  const sizes = new Int32Array(count);
  for (let run = 0; run < ids.length; run++) sizes[ids[run]] += lengths[run];
  return { starts, lengths, ids, sizes };
}

const rowOffsets = [
  { dy: -1, dz: 0, axes: 1 },
  { dy: 0, dz: -1, axes: 1 },
  { dy: -1, dz: -1, axes: 2 },
  { dy: 1, dz: -1, axes: 2 },
];

/**
 * The earlier rows that hold neighbours of a row, and how far runs may be apart in x to count as neighbours.
 */
const rowsByConnectivity = [1, 2, 3].map((connectivity) =>
  rowOffsets
    .filter(({ axes }) => axes <= connectivity)
    .map(({ dy, dz, axes }) => ({ dy, dz, reach: axes < connectivity ? 1 : 0 })),
);

const rowsBefore = (connectivity: Connectivity) => rowsByConnectivity[connectivity - 1];

function findRuns(mask: Uint8Array, [nx, ny, nz]: Vec3) {
  let starts = new Int32Array(1024);
  let lengths = new Int32Array(1024);
  let count = 0;
  const firstOfRow = new Int32Array(ny * nz + 1);
  for (let row = 0; row < ny * nz; row++) {
    firstOfRow[row] = count;
    const end = (row + 1) * nx;
    let i = row * nx;
    while (i < end) {
      while (i < end && mask[i] === 0) i++;
      if (i === end) break;
      const start = i;
      while (i < end && mask[i] !== 0) i++;
      if (count === starts.length) {
        starts = grow(starts);
        lengths = grow(lengths);
      }
      starts[count] = start;
      lengths[count++] = i - start;
    }
  }
  firstOfRow[ny * nz] = count;
  return { starts: starts.subarray(0, count), lengths: lengths.subarray(0, count), firstOfRow };
}

/**
 * Joins the sets of two runs. The earlier root stays the root, so that a root precedes the rest of its set.
 */
function join(parents: Int32Array, a: number, b: number): void {
  const rootA = find(parents, a);
  const rootB = find(parents, b);
  if (rootA < rootB) parents[rootB] = rootA;
  else parents[rootA] = rootB;
}

function find(parents: Int32Array, run: number): number {
  let at = run;
  while (parents[at] !== at) {
    parents[at] = parents[parents[at]];
    at = parents[at];
  }
  return at;
}

/**
 * Writes `value` into the voxels of the components for which `chosen` holds 1. The components are those of a
 * mask of `box`; `out` is the volume of `size` voxels that contains the box.
 */
export function paintComponents(
  { starts, lengths, ids }: Components,
  chosen: Uint8Array,
  value: number,
  { start, size: [nx, ny] }: Box,
  size: Vec3,
  out: VoxelArray,
): void {
  for (let run = 0; run < starts.length; run++) {
    if (!chosen[ids[run]]) continue;
    const row = Math.floor(starts[run] / nx);
    const y = (row % ny) + start[1];
    const z = Math.floor(row / ny) + start[2];
    const first = (z * size[1] + y) * size[0] + start[0] + (starts[run] - row * nx);
    out.fill(value, first, first + lengths[run]);
  }
}

/** 1 for each component of a box that touches no face of it. */
export function enclosedComponents(
  { starts, lengths, ids, sizes }: Components,
  [nx, ny, nz]: Vec3,
): Uint8Array {
  const chosen = new Uint8Array(sizes.length).fill(1);
  for (let run = 0; run < starts.length; run++) {
    const row = Math.floor(starts[run] / nx);
    const x = starts[run] - row * nx;
    const y = row % ny;
    const z = Math.floor(row / ny);
    const open = x === 0 || x + lengths[run] === nx || y === 0 || y === ny - 1 || z === 0 || z === nz - 1;
    if (open) chosen[ids[run]] = 0;
  }
  return chosen;
}
