import { DataError } from '../errors.js';
import type { Vec3, VoxelArray, VoxelType } from '../volume/volume.js';
import { allocate, allocateLike, voxelCount } from '../volume/volume.js';
import type { ReadOptions } from './define.js';
import { type StoredLayout, scalesByFractions } from './layout.js';

/**
 * The voxels of a volume from the stored numbers of a file: channels one after the other, scaled, checked, in
 * their type.
 *
 * Images keep the stored type, or become float32 if they are scaled (float64 if they are stored as float64,
 * or with the option `float64`).
 * 64-bit integers, which arrive as float64, become int32 if all fit. Labels that are real, scaled or 64-bit
 * numbers become the smallest integer type that holds them all, unsigned if none is negative.
 *
 * @throws DataError, naming the first such voxel, if one of an image is NaN or infinite (unless `nonFinite`),
 * or one of a label map is not a whole number or does not fit a 32-bit integer.
 */
export function finishVoxels(
  stored: VoxelArray,
  layout: StoredLayout,
  file: string,
  { kind, nonFinite, float64 }: ReadOptions,
): { voxels: VoxelArray; notes: readonly string[] } {
  const planar = layout.interleaved && layout.channels > 1 ? separate(stored, layout.channels) : stored;
  if (kind === 'label') return asLabels(planar, layout, file);
  const voxels = asImage(planar, layout, float64 ?? false);
  if (!nonFinite) refuseNonFinite(voxels, layout.size, file);
  return { voxels, notes: [] };
}

/** Reorders voxels whose channels lie side by side so that the channel varies slowest. */
function separate(voxels: VoxelArray, channels: number): VoxelArray {
  const out = allocateLike(voxels, voxels.length);
  const count = voxels.length / channels;
  for (let channel = 0; channel < channels; channel++) {
    for (let i = 0; i < count; i++) out[channel * count + i] = voxels[i * channels + channel];
  }
  return out;
}

function asImage(stored: VoxelArray, layout: StoredLayout, float64: boolean): VoxelArray {
  const { scaling, stored: type } = layout;
  if (scaling) {
    if (float64 && scalesByFractions(layout)) {
      return scale(stored, scaling, allocate('float64', stored.length));
    }
    const inPlace = type === 'float32' || type === 'float64';
    return scale(stored, scaling, inPlace ? stored : allocate('float32', stored.length));
  }
  const wide = type === 'int64' || type === 'uint64';
  return wide && fits('int32', rangeOf(stored)) ? copyTo('int32', stored) : stored;
}

/**
 * How far a label may be from a whole number. Slopes in float32 and scaling to int16 lead to up to about
 * 0.002.
 */
const labelTolerance = 0.01;

function asLabels(
  stored: VoxelArray,
  { scaling, size }: StoredLayout,
  file: string,
): { voxels: VoxelArray; notes: readonly string[] } {
  const voxels = scaling ? scale(stored, scaling, new Float64Array(stored.length)) : stored;
  if (!isReal(voxels)) return { voxels, notes: [] };
  const deviation = largestDeviation(voxels, size, file);
  if (deviation > 0) for (let i = 0; i < voxels.length; i++) voxels[i] = Math.round(voxels[i]);
  const range = rangeOf(voxels);
  const type = smallestInteger(range);
  if (!type) {
    throw new DataError(
      `${file} is a label map, but its labels go from ${range[0]} to ${range[1]}; 32-bit integers were ` +
        'expected. Check that it is the right file.',
    );
  }
  const notes = [
    `${file} holds labels that differ from whole numbers by up to ${Number(deviation.toPrecision(2))}; ` +
      'they were rounded.',
  ];
  return { voxels: copyTo(type, voxels), notes: deviation > 0 ? notes : [] };
}

/**
 * The largest distance of a voxel from a whole number. Throws DataError if one is too far away, or not
 * finite.
 */
function largestDeviation(voxels: Float32Array | Float64Array, size: Vec3, file: string): number {
  let largest = 0;
  for (let i = 0; i < voxels.length; i++) {
    const deviation = Math.abs(voxels[i] - Math.round(voxels[i]));
    if (!(deviation <= labelTolerance)) {
      throw new DataError(
        `${file} is a label map, but its voxel ${position(i, size)} is ${voxels[i]}; labels must be whole ` +
          `numbers, within ${labelTolerance}. Check that it is the right file. Probabilities become labels ` +
          'by a threshold (asDiscrete); an interpolated label map must be made again with the nearest ' +
          'neighbour.',
      );
    }
    if (deviation > largest) largest = deviation;
  }
  return largest;
}

/** The smallest integer type that holds a range of whole numbers, unsigned if none is negative. */
export function smallestInteger(range: readonly [number, number]): IntegerType | undefined {
  const candidates =
    range[0] < 0 ? (['int8', 'int16', 'int32'] as const) : (['uint8', 'uint16', 'uint32'] as const);
  return candidates.find((type) => fits(type, range));
}

/** The smallest and the largest number of each integer type. */
export const integerRanges = {
  int8: [-128, 127],
  uint8: [0, 255],
  int16: [-32768, 32767],
  uint16: [0, 65535],
  int32: [-(2 ** 31), 2 ** 31 - 1],
  uint32: [0, 2 ** 32 - 1],
} as const;

export type IntegerType = keyof typeof integerRanges;

/** True if an integer type holds all numbers of a range. */
export function fits(type: IntegerType, [low, high]: readonly [number, number]): boolean {
  return low >= integerRanges[type][0] && high <= integerRanges[type][1];
}

/** The smallest and the largest voxel, ignoring NaN; [Infinity, -Infinity] if there are no voxels. */
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

/** True if voxels are float32 or float64. */
export function isReal(voxels: VoxelArray): voxels is Float32Array | Float64Array {
  return voxels instanceof Float32Array || voxels instanceof Float64Array;
}

/** A voxel's position in the array as text: `[x, y, z]`, or `[x, y, z] of channel c`. */
export function position(index: number, size: Vec3): string {
  const [nx, ny] = size;
  const channel = Math.floor(index / voxelCount(size));
  const inside = index % voxelCount(size);
  const at = [inside % nx, Math.floor(inside / nx) % ny, Math.floor(inside / (nx * ny))];
  return `[${at.join(', ')}]${channel > 0 ? ` of channel ${channel}` : ''}`;
}

/** The number of voxels that are NaN or infinite, and the array index of the first. */
export function countNonFinite(voxels: Float32Array | Float64Array): { count: number; first: number } {
  let count = 0;
  let first = 0;
  for (let i = 0; i < voxels.length; i++) {
    // The difference is 0 for every finite number and NaN for the others.
    if (voxels[i] - voxels[i] !== 0 && count++ === 0) first = i;
  }
  return { count, first };
}

function refuseNonFinite(voxels: VoxelArray, size: Vec3, file: string): void {
  if (!isReal(voxels)) return;
  const { count, first } = countNonFinite(voxels);
  if (count === 0) return;
  throw new DataError(
    `${file} holds ${count} voxel(s) that are NaN or infinite, the first (${voxels[first]}) at ` +
      `${position(first, size)}; finite numbers were expected. Correct the image, or read it with ` +
      `nonFinite: true.`,
  );
}

function scale(
  stored: VoxelArray,
  { slope, inter }: { slope: number; inter: number },
  out: VoxelArray,
): VoxelArray {
  for (let i = 0; i < stored.length; i++) out[i] = slope * stored[i] + inter;
  return out;
}

function copyTo(type: VoxelType, voxels: VoxelArray): VoxelArray {
  const out = allocate(type, voxels.length);
  out.set(voxels);
  return out;
}
