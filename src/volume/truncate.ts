import { DataError } from '../errors.js';
import { allocate, type Volume } from './volume.js';

const [lowest, highest] = [-(2 ** 31), 2 ** 31 - 1];

/**
 * The volume with fractions cut off, as int32. A volume of integers is returned unchanged.
 *
 * @throws DataError if a voxel does not fit int32.
 */
export function truncate(volume: Volume): Volume {
  const { data } = volume;
  if (!(data instanceof Float32Array || data instanceof Float64Array)) return volume;
  const out = allocate('int32', data.length);
  for (let i = 0; i < data.length; i++) {
    const value = Math.trunc(data[i]);
    if (!(value >= lowest && value <= highest)) {
      throw new DataError(
        `truncate: a voxel is ${data[i]}, but only numbers from ${lowest} to ${highest} can be stored without ` +
          'fractions. Clip the image first.',
      );
    }
    out[i] = value;
  }
  return { ...volume, data: out };
}
