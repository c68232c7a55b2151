import { connectedComponents, paintComponents } from './components.js';
import { allocate, allocateLike, type Triple, type Vec3, type Volume, voxelCount } from './volume.js';

/** Calls `visit` with the voxels that share a face with a voxel. */
function eachNeighbour(at: number, [nx, ny, nz]: Vec3, visit: (neighbour: number) => void): void {
  const area = nx * ny;
  const x = at % nx;
  const y = Math.floor(at / nx) % ny;
  const z = Math.floor(at / area);
  if (x > 0) visit(at - 1);
  if (x < nx - 1) visit(at + 1);
  if (y > 0) visit(at - nx);
  if (y < ny - 1) visit(at + nx);
  if (z > 0) visit(at - area);
  if (z < nz - 1) visit(at + area);
}

/**
 * Grows a mask of 0 and 1 by the voxels that share a face with it, `times` times, in place; scipy's
 * `binary_dilation`.
 */
export function dilate_(mask: Uint8Array, size: Vec3, times: number): void {
  let reached: number[] = [];
  for (let i = 0; i < mask.length && times > 0; i++) if (mask[i] === 1) reached.push(i);
  for (let round = 0; round < times; round++) {
    const next: number[] = [];
    for (const at of reached) {
      eachNeighbour(at, size, (neighbour) => {
        if (mask[neighbour] !== 0) return;
        mask[neighbour] = 1;
        next.push(neighbour);
      });
    }
    reached = next;
  }
}

/**
 * A mask of 0 and 1 without the voxels that share a face with the outside, `times` times; scipy's
 * `binary_erosion`. What is beyond the volume counts as outside.
 */
export function eroded(mask: Uint8Array, size: Vec3, times: number): Uint8Array {
  const [nx, ny, nz] = size;
  const padded: Triple = [nx + 2, ny + 2, nz + 2];
  const outside = new Uint8Array(voxelCount(padded)).fill(1);
  const inside = new Uint8Array(mask.length);
  const rows = Array.from({ length: ny * nz }, (_, row) => ({
    own: row * nx,
    padded: ((Math.floor(row / ny) + 1) * padded[1] + (row % ny) + 1) * padded[0] + 1,
  }));
  for (const row of rows) {
    for (let x = 0; x < nx; x++) outside[row.padded + x] = 1 - mask[row.own + x];
  }
  dilate_(outside, padded, times);
  for (const row of rows) {
    for (let x = 0; x < nx; x++) inside[row.own + x] = 1 - outside[row.padded + x];
  }
  return inside;
}

/** 1 where a volume of one channel is not 0. */
function maskOf({ data }: Volume): Uint8Array {
  const mask = new Uint8Array(data.length);
  for (let i = 0; i < data.length; i++) if (data[i] !== 0) mask[i] = 1;
  return mask;
}

/** The labels inside of a mask (not 0), which is first grown `times` times; all others become 0. */
export function clearOutside(volume: Volume, mask: Volume, times: number): Volume {
  const inside = maskOf(mask);
  dilate_(inside, mask.size, times);
  const data = allocateLike(volume.data, volume.data.length);
  for (let i = 0; i < data.length; i++) data[i] = inside[i] === 0 ? 0 : volume.data[i];
  return { ...volume, data };
}

/** Skin is between these HU. */
const skinRange = [-200, 250] as const;

/** Components of skin of at most this many voxels are removed. */
const mostSpecks = 5;

/**
 * The skin of a body (not 0): the outermost two to three voxels of the body, grown by one, in which the image
 * has the density of skin. TotalSegmentator's `extract_skin`.
 */
export function skinOf(body: Volume, image: Volume): Volume {
  const { size } = body;
  const grown = maskOf(body);
  dilate_(grown, size, 1);
  const inner = eroded(grown, size, 3);
  const data = allocate('uint8', grown.length);
  const [low, high] = skinRange;
  for (let i = 0; i < data.length; i++) {
    const value = image.data[i];
    data[i] = grown[i] === 1 && inner[i] === 0 && value > low && value < high ? 1 : 0;
  }
  const components = connectedComponents(data, size, 1);
  const small = Uint8Array.from(components.sizes, (count) => (count <= mostSpecks ? 1 : 0));
  paintComponents(components, small, 0, { start: [0, 0, 0], size }, size, data);
  return { ...body, data, labelNames: { 1: 'skin' } };
}
