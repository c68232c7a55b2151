import { Random } from './random.js';
import { allocate, channelsOf, type Volume, voxelCount } from './volume.js';

/** Multiplies voxels by `factor` and adds `offset`, with one of each per channel; as float32. */
export function scaleAndShift(
  volume: Volume,
  factors: readonly number[],
  offsets: readonly number[],
): Volume {
  const data = allocate('float32', volume.data.length);
  const count = voxelCount(volume.size);
  channelsOf(volume).forEach((from, channel) => {
    const to = data.subarray(channel * count, (channel + 1) * count);
    const factor = factors[channel];
    const offset = offsets[channel];
    for (let i = 0; i < count; i++) to[i] = from[i] * factor + offset;
  });
  return { ...volume, data };
}

/** Adds a normally distributed random number to each voxel; as float32. */
export function addNoise(
  volume: Volume,
  mean: number,
  deviation: number,
  seed: readonly [number, number],
): Volume {
  const random = new Random(...seed);
  const data = allocate('float32', volume.data.length);
  for (let i = 0; i < data.length; i++) data[i] = volume.data[i] + random.normal(mean, deviation);
  return { ...volume, data };
}
