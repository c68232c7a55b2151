import { allocate, type Volume, voxelCount } from '../../volume/volume.js';

/**
 * Makes the labels of BraTS from three channels: 4 where the third (enhancing tumor) is set, else 1 where the
 * first (tumor core) is, else 2 where the second (whole tumor) is.
 */
export function bratsLabels(volume: Volume): Volume {
  const count = voxelCount(volume.size);
  const data = allocate('float32', count);
  const { data: given } = volume;
  for (let i = 0; i < count; i++) {
    data[i] = given[i + 2 * count] > 0 ? 4 : given[i] > 0 ? 1 : given[i + count] > 0 ? 2 : 0;
  }
  return { ...volume, data, channels: 1 };
}
