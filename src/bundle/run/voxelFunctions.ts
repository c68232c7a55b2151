import { allocate, type Volume, voxelCount } from '../../volume/volume.js';
import type { VoxelFunction } from '../targets/steps.js';

/** Applies one of the functions on voxels that bundles use. */
export function applyVoxelFunction(volume: Volume, given: VoxelFunction): Volume {
  switch (given.name) {
    case 'bratsLabels':
      return bratsLabels(volume);
    case 'labelsOfChannels':
      return labelsOfChannels(volume);
    case 'zeroChannels':
      return zeroChannels(volume, given.count);
  }
}

/** The number of channels after a function. */
export function channelsAfter(channels: number, given: VoxelFunction): number {
  return given.name === 'zeroChannels' ? channels + given.count : 1;
}

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

/** The lowest channel from 1 on that is set, else 0: `MergeClassesd` of renalStructures_CECT_segmentation. */
export function labelsOfChannels(volume: Volume): Volume {
  const count = voxelCount(volume.size);
  const data = allocate('float32', count);
  for (let c = volume.channels - 1; c > 0; c--) {
    const channel = volume.data.subarray(c * count, (c + 1) * count);
    for (let i = 0; i < count; i++) if (channel[i] !== 0) data[i] = c * channel[i];
  }
  return { ...volume, data, channels: 1 };
}

/** Adds channels of zeros, as DeepEdit does for labels without clicks. */
export function zeroChannels(volume: Volume, more: number): Volume {
  const data = allocate('float32', voxelCount(volume.size) * (volume.channels + more));
  data.set(volume.data);
  return { ...volume, data, channels: volume.channels + more };
}
