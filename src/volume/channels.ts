import { allocateLike, channelsOf, type Volume, voxelCount } from './volume.js';

/** Some channels of a volume, in the given order. */
export function selectChannels(volume: Volume, chosen: readonly number[]): Volume {
  const count = voxelCount(volume.size);
  const data = allocateLike(volume.data, chosen.length * count);
  const channels = channelsOf(volume);
  chosen.forEach((channel, i) => {
    data.set(channels[channel], i * count);
  });
  return { ...volume, data, channels: chosen.length };
}
