import { DataError } from '../errors.js';
import type { Vec3, VoxelArray, VoxelType } from '../volume/volume.js';
import { allocate, voxelCount } from '../volume/volume.js';

/** Where stored numbers come from, and what they mean. */
export interface StoredVoxels {
  readonly file: string;
  readonly size: Vec3;
  /** Voxels are `slope * stored + inter`; undefined when they are the stored numbers. */
  readonly scaling?: { readonly slope: number; readonly inter: number };
  /** True where 64-bit integers are given as float64. */
  readonly wide?: boolean;
}

/**
 * The voxels of an image: the stored numbers, as float32 when they are scaled (float64 when stored so). 64-bit integers
 * become int32 where all fit, else they stay float64.
 *
 * @throws DataError when a voxel is NaN or infinite, unless `nonFinite` is true.
 */
export function asImage(stored: VoxelArray, about: StoredVoxels, nonFinite = false): VoxelArray {
  let voxels = stored;
  if (about.scaling) voxels = scale(stored, about.scaling, outputOf(stored, about));
  else if (about.wide && fits('int32', rangeOf(stored))) voxels = copyTo('int32', stored);
  if (!nonFinite) refuseNonFinite(voxels, about);
  return voxels;
}

/**
 * The voxels of a label map: integers as they are stored; real, scaled and 64-bit numbers as the smallest integer type
 * that holds them all, unsigned where none is negative.
 *
 * @throws DataError, naming the first such voxel, when one is no whole number or fits no 32-bit integer.
 */
export function asLabels(stored: VoxelArray, about: StoredVoxels): VoxelArray {
  const voxels = about.scaling ? scale(stored, about.scaling, new Float64Array(stored.length)) : stored;
  if (!isReal(voxels)) return voxels;
  for (let i = 0; i < voxels.length; i++) {
    if (!Number.isInteger(voxels[i])) {
      throw new DataError(
        `${about.file} is a label map, but its voxel ${position(i, about.size)} is ${voxels[i]}; labels must be whole ` +
          'numbers. Check that it is the right file.',
      );
    }
  }
  const range = rangeOf(voxels);
  const type = smallestInteger(range);
  if (!type) {
    throw new DataError(
      `${about.file} is a label map, but its labels go from ${range[0]} to ${range[1]}; 32-bit integers were expected. ` +
        'Check that it is the right file.',
    );
  }
  return copyTo(type, voxels);
}

/** The smallest integer type that holds a range of whole numbers, unsigned where none is negative. */
export function smallestInteger(range: readonly [number, number]): IntegerType | undefined {
  const candidates =
    range[0] < 0 ? (['int8', 'int16', 'int32'] as const) : (['uint8', 'uint16', 'uint32'] as const);
  return candidates.find((type) => fits(type, range));
}

/** The smallest and the largest number that an integer type holds. */
export const integerRanges = {
  int8: [-128, 127],
  uint8: [0, 255],
  int16: [-32768, 32767],
  uint16: [0, 65535],
  int32: [-(2 ** 31), 2 ** 31 - 1],
  uint32: [0, 2 ** 32 - 1],
} as const;

export type IntegerType = keyof typeof integerRanges;

/** True when an integer type holds all numbers of a range. */
export function fits(type: IntegerType, [low, high]: readonly [number, number]): boolean {
  return low >= integerRanges[type][0] && high <= integerRanges[type][1];
}

/** The smallest and the largest voxel; NaN is left out, and no voxels at all give [Infinity, -Infinity]. */
export function rangeOf(voxels: VoxelArray): [number, number] {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < voxels.length; i++) {
    const value = voxels[i];
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return [low, high];
}

/** True when voxels are float32 or float64. */
export function isReal(voxels: VoxelArray): voxels is Float32Array | Float64Array {
  return voxels instanceof Float32Array || voxels instanceof Float64Array;
}

/** A voxel's index, `[x, y, z]` or `[x, y, z] of channel c`, from its place in the array. */
export function position(index: number, size: Vec3): string {
  const [nx, ny] = size;
  const channel = Math.floor(index / voxelCount(size));
  const inside = index % voxelCount(size);
  const at = [inside % nx, Math.floor(inside / nx) % ny, Math.floor(inside / (nx * ny))];
  return `[${at.join(', ')}]${channel > 0 ? ` of channel ${channel}` : ''}`;
}

/** How many voxels are NaN or infinite, and where in the array the first is. */
export function countNonFinite(voxels: Float32Array | Float64Array): { count: number; first: number } {
  let count = 0;
  let first = 0;
  for (let i = 0; i < voxels.length; i++) {
    // The difference is 0 for every finite number and NaN for the others.
    if (voxels[i] - voxels[i] !== 0 && count++ === 0) first = i;
  }
  return { count, first };
}

function refuseNonFinite(voxels: VoxelArray, { file, size }: StoredVoxels): void {
  if (!isReal(voxels)) return;
  const { count, first } = countNonFinite(voxels);
  if (count === 0) return;
  throw new DataError(
    `${file} holds ${count} voxel(s) that are NaN or infinite, the first (${voxels[first]}) at ` +
      `${position(first, size)}; finite numbers were expected. Mend the image, or read it with nonFinite: true.`,
  );
}

/** Where scaled voxels go: float64 stays in place, the rest becomes float32. */
function outputOf(stored: VoxelArray, { wide }: StoredVoxels): Float32Array | Float64Array {
  if (stored instanceof Float64Array && !wide) return stored;
  return stored instanceof Float32Array ? stored : allocate('float32', stored.length);
}

function scale(
  stored: VoxelArray,
  { slope, inter }: { slope: number; inter: number },
  out: Float32Array | Float64Array,
): VoxelArray {
  for (let i = 0; i < stored.length; i++) out[i] = slope * stored[i] + inter;
  return out;
}

function copyTo(type: VoxelType, voxels: VoxelArray): VoxelArray {
  const out = allocate(type, voxels.length);
  out.set(voxels);
  return out;
}
