import type { Vec3 } from './volume.js';

/**
 * The Euclidean distance in mm from each voxel of `from` to the nearest voxel of `to`, infinite if `to` is
 * empty. Both are ascending indices into a grid of `size` voxels (x fastest). `spacing` is the size of a
 * voxel in mm. The distances are in no particular order.
 *
 * This is the exact Euclidean distance transform of Felzenszwalb and Huttenlocher (Theory of Computing 8,
 * 2012), computed only where it is needed: along x from sorted positions, then by lower envelopes of
 * parabolas along y and along z, one plane of x at a time. Memory grows with the surfaces and one plane, not
 * with the volume.
 */
export function distancesTo(from: Int32Array, to: Int32Array, size: Vec3, spacing: Vec3): Float64Array {
  const distances = new Float64Array(from.length);
  if (to.length === 0) return distances.fill(Number.POSITIVE_INFINITY);
  const [nx, ny, nz] = size;
  const sites = byRow(to, nx, ny * nz);
  const slices = filledRows(sites.first, ny, nz);
  const queries = byColumn(from, size);
  const alongY = new Envelope(ny, spacing[1]);
  const alongZ = new Envelope(nz, spacing[2]);
  const columnYs = new Int32Array(ny);
  const plane = new Float64Array(ny * nz);
  let done = 0;
  for (let x = 0; x < nx; x++) {
    // The columns (x, y) that hold a query.
    let columns = 0;
    for (let y = 0; y < ny; y++) {
      if (queries.first[x * ny + y] < queries.first[x * ny + y + 1]) columnYs[columns++] = y;
    }
    if (columns === 0) continue;
    for (let z = 0; z < nz; z++) {
      alongY.clear();
      for (let i = slices.first[z]; i < slices.first[z + 1]; i++) {
        const row = slices.rows[i];
        const dx = nearestInRow(sites, row, x) * spacing[0];
        alongY.add(row - z * ny, dx * dx);
      }
      for (let c = 0; c < columns; c++) plane[c * nz + z] = alongY.at(columnYs[c]);
    }
    for (let c = 0; c < columns; c++) {
      alongZ.clear();
      for (let z = 0; z < nz; z++) {
        const squared = plane[c * nz + z];
        if (squared !== Number.POSITIVE_INFINITY) alongZ.add(z, squared);
      }
      const column = x * ny + columnYs[c];
      for (let q = queries.first[column]; q < queries.first[column + 1]; q++) {
        distances[done++] = Math.sqrt(alongZ.at(queries.zs[q]));
      }
    }
  }
  return distances;
}

/** Voxels grouped by row: the x of row r are at `first[r]` to `first[r + 1] - 1`, ascending. */
interface Rows {
  readonly first: Int32Array;
  readonly xs: Int32Array;
  /** For each row, the index in `xs` of the voxel nearest to the last query. */
  readonly nearest: Int32Array;
}

function byRow(voxels: Int32Array, nx: number, rows: number): Rows {
  const first = new Int32Array(rows + 1);
  const xs = new Int32Array(voxels.length);
  for (let i = 0; i < voxels.length; i++) {
    const row = Math.floor(voxels[i] / nx);
    xs[i] = voxels[i] - row * nx;
    first[row + 1] = i + 1;
  }
  for (let row = 1; row <= rows; row++) if (first[row] === 0) first[row] = first[row - 1];
  return { first, xs, nearest: first.slice(0, rows) };
}

/** The distance in voxels from x to the nearest voxel of a row. Queries must have ascending x. */
function nearestInRow({ first, xs, nearest }: Rows, row: number, x: number): number {
  let at = nearest[row];
  const last = first[row + 1] - 1;
  while (at < last && Math.abs(xs[at + 1] - x) <= Math.abs(xs[at] - x)) at++;
  nearest[row] = at;
  return Math.abs(xs[at] - x);
}

/** The rows that hold any voxel, grouped by their z. */
function filledRows(firstOfRow: Int32Array, ny: number, nz: number) {
  const rows: number[] = [];
  const first = new Int32Array(nz + 1);
  for (let z = 0; z < nz; z++) {
    for (let row = z * ny; row < (z + 1) * ny; row++) {
      if (firstOfRow[row] < firstOfRow[row + 1]) rows.push(row);
    }
    first[z + 1] = rows.length;
  }
  return { first, rows: Int32Array.from(rows) };
}

/** Voxels grouped by column along z: the z of column x * ny + y begin at `first[column]`, ascending. */
function byColumn(voxels: Int32Array, [nx, ny]: Vec3) {
  const columnOf = (voxel: number) => (voxel % nx) * ny + (Math.floor(voxel / nx) % ny);
  const first = new Int32Array(nx * ny + 1);
  for (const voxel of voxels) first[columnOf(voxel) + 1]++;
  for (let column = 0; column < nx * ny; column++) first[column + 1] += first[column];
  const next = first.slice(0, nx * ny);
  const zs = new Int32Array(voxels.length);
  for (const voxel of voxels) zs[next[columnOf(voxel)]++] = Math.floor(voxel / (nx * ny));
  return { first, zs };
}

/**
 * The lower envelope of parabolas with their lowest points at whole positions, added and queried in ascending
 * order.
 */
class Envelope {
  readonly #weight: number;
  /** The position and lowest value of each parabola, and the position from which it is the lowest of all. */
  readonly #positions: Float64Array;
  readonly #values: Float64Array;
  readonly #begins: Float64Array;
  #count = 0;
  #current = 0;

  /** For `length` positions, `spacing` mm apart. */
  constructor(length: number, spacing: number) {
    this.#weight = spacing * spacing;
    this.#positions = new Float64Array(length);
    this.#values = new Float64Array(length);
    this.#begins = new Float64Array(length);
  }

  clear(): void {
    this.#count = 0;
    this.#current = 0;
  }

  /** Adds the parabola value + (spacing * (q - position))². */
  add(position: number, value: number): void {
    let begin = Number.NEGATIVE_INFINITY;
    while (this.#count > 0) {
      const last = this.#count - 1;
      const apart = position - this.#positions[last];
      // The two parabolas are equal half way between them, moved by the difference of their lowest values.
      begin = (position + this.#positions[last] + (value - this.#values[last]) / (this.#weight * apart)) / 2;
      if (begin > this.#begins[last]) break;
      this.#count--;
      begin = Number.NEGATIVE_INFINITY;
    }
    this.#positions[this.#count] = position;
    this.#values[this.#count] = value;
    this.#begins[this.#count++] = begin;
  }

  /** The value of the lowest parabola at a position, infinite if there is none. */
  at(position: number): number {
    if (this.#count === 0) return Number.POSITIVE_INFINITY;
    while (this.#current + 1 < this.#count && this.#begins[this.#current + 1] < position) this.#current++;
    const offset = position - this.#positions[this.#current];
    return this.#values[this.#current] + this.#weight * offset * offset;
  }
}
