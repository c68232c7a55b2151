import { allocate, type Volume, voxelCount } from './volume.js';

/** Softmax over the channels: each voxel's channels become positive and sum to 1. */
export function softmax(volume: Volume): Volume {
  const count = voxelCount(volume.size);
  const { channels, data: from } = volume;
  const data = allocate('float32', from.length);
  for (let i = 0; i < count; i++) {
    let largest = from[i];
    for (let c = 1; c < channels; c++) largest = Math.max(largest, from[c * count + i]);
    let sum = 0;
    for (let c = 0; c < channels; c++) {
      const value = Math.exp(from[c * count + i] - largest);
      data[c * count + i] = value;
      sum += value;
    }
    for (let c = 0; c < channels; c++) data[c * count + i] /= sum;
  }
  return { ...volume, data, kind: 'probability' };
}

/** The logistic function of every voxel. */
export function sigmoid(volume: Volume): Volume {
  const data = allocate('float32', volume.data.length);
  for (let i = 0; i < data.length; i++) data[i] = 1 / (1 + Math.exp(-volume.data[i]));
  return { ...volume, data, kind: 'probability' };
}

/**
 * The channel with the largest value (the first of equals) as a label map: uint8, or uint16 for over 256
 * channels.
 */
export function argmax(volume: Volume): Volume {
  const count = voxelCount(volume.size);
  const { channels, data: from } = volume;
  const data = allocate(channels > 256 ? 'uint16' : 'uint8', count);
  for (let i = 0; i < count; i++) {
    let best = 0;
    let largest = from[i];
    for (let c = 1; c < channels; c++) {
      const value = from[c * count + i];
      if (value > largest) {
        largest = value;
        best = c;
      }
    }
    data[i] = best;
  }
  return { ...volume, data, channels: 1, kind: 'label' };
}

/** 1 where a voxel is at least `limit`, else 0; channels stay. */
export function threshold(volume: Volume, limit: number): Volume {
  const data = allocate('uint8', volume.data.length);
  for (let i = 0; i < data.length; i++) data[i] = volume.data[i] >= limit ? 1 : 0;
  return { ...volume, data, kind: 'label' };
}
