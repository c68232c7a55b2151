import { DataError } from '../errors.js';
import { sameGrid } from '../volume/affine.js';
import { allocate, type Volume, type VoxelType, voxelTypeOf } from '../volume/volume.js';
import type { FileGrid } from './define.js';
import { smallestInteger } from './voxels.js';

/**
 * One volume with the channels of several, in order. The affine is that of the first. Voxels keep their type
 * if all have the same one; otherwise they get the smallest integer type that holds them, or a real type.
 *
 * @param files Named in messages.
 * @throws DataError if the volumes are on different grids.
 */
export function stackChannels(volumes: readonly Volume[], files: readonly string[]): Volume {
  const [first, ...others] = volumes;
  const odd = others.findIndex((volume) => !sameGrid(volume, first));
  if (odd >= 0) {
    throw new DataError(
      `${files[odd + 1]} and ${files[0]} are channels of one volume, but they are on different grids ` +
        `(${others[odd].size.join(' x ')} and ${first.size.join(' x ')} voxels). Resample them to one grid first.`,
    );
  }
  const length = volumes.reduce((sum, { data }) => sum + data.length, 0);
  const data = allocate(commonType(volumes), length);
  let at = 0;
  for (const volume of volumes) {
    data.set(volume.data, at);
    at += volume.data.length;
  }
  const channels = volumes.reduce((sum, volume) => sum + volume.channels, 0);
  return { ...first, data, channels, notes: volumes.flatMap(({ notes = [] }) => notes) };
}

/** What the headers say about the volume that `stackChannels` makes. */
export function stackedGrid(grids: readonly FileGrid[]): FileGrid {
  const [first] = grids;
  const channels = grids.reduce((sum, grid) => sum + grid.channels, 0);
  const bytesPerVoxel = Math.max(...grids.map((grid) => grid.bytesPerVoxel));
  const stacked = channels * bytesPerVoxel * first.size.reduce((product, n) => product * n, 1);
  const bytesToRead = stacked + grids.reduce((sum, grid) => sum + grid.bytesToRead, 0);
  return { ...first, channels, bytesPerVoxel, bytesToRead };
}

function commonType(volumes: readonly Volume[]): VoxelType {
  const types = [...new Set(volumes.map(({ data }) => voxelTypeOf(data)))];
  if (types.length === 1) return types[0];
  if (types.includes('float64')) return 'float64';
  const integers = types.filter((type) => type !== 'float32');
  if (integers.length === types.length) return smallestInteger(rangeOf(volumes)) ?? 'float64';
  // float32 holds 16-bit integers exactly, and not all of 32 bits.
  return integers.some((type) => type.endsWith('32')) ? 'float64' : 'float32';
}

function rangeOf(volumes: readonly Volume[]): [number, number] {
  let [low, high] = [0, 0];
  for (const { data } of volumes) {
    for (const value of data) {
      if (value < low) low = value;
      if (value > high) high = value;
    }
  }
  return [low, high];
}
