import { DataError } from '../errors.js';
import { roundHalfEven } from './affine.js';
import { allocate, channelsOf, type Volume, voxelCount } from './volume.js';

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

/** Zeroed labels up to `largest`: uint8, or uint16 above 255. */
export function allocateLabels(largest: number, count: number): Uint8Array | Uint16Array {
  return allocate(largest > 255 ? 'uint16' : 'uint8', count);
}

/** The channel with the largest value (the first of equals) as a label map; see `allocateLabels`. */
export function argmax(volume: Volume): Volume {
  const count = voxelCount(volume.size);
  const { channels, data: from } = volume;
  const data = allocateLabels(channels - 1, count);
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

/**
 * One channel per class, 1 where the label is that class; names move to the channels. Fractions are cut off,
 * like MONAI's `one_hot`.
 *
 * @throws DataError if the volume has several channels, or a label is not a class.
 */
export function oneHot(volume: Volume, classes: number): Volume {
  if (volume.channels !== 1) {
    throw new DataError(
      `toOnehot needs a label map of one channel, but the volume has ${volume.channels}. Use argmax: true as well.`,
    );
  }
  const count = voxelCount(volume.size);
  const data = allocate('uint8', classes * count);
  for (let i = 0; i < count; i++) {
    const label = Math.trunc(volume.data[i]);
    if (!(label >= 0 && label < classes)) {
      throw new DataError(
        `toOnehot makes ${classes} classes (0 to ${classes - 1}), but the volume has label ${volume.data[i]}.`,
      );
    }
    data[label * count + i] = 1;
  }
  return { ...volume, data, channels: classes, kind: 'label' };
}

/** Rounds every voxel to the nearest whole number, halves to the even one; as float32. */
export function round(volume: Volume): Volume {
  const data = allocate('float32', volume.data.length);
  for (let i = 0; i < data.length; i++) data[i] = roundHalfEven(volume.data[i]);
  return { ...volume, data, kind: 'label' };
}

/**
 * One channel per group of labels, 1 where the label is one of the group. A volume of several channels is
 * one-hot, and its channels count as the labels.
 */
export function mergeClasses(volume: Volume, groups: readonly (readonly number[])[]): Volume {
  const count = voxelCount(volume.size);
  const data = allocate('uint8', groups.length * count);
  const channels = channelsOf(volume);
  groups.forEach((labels, group) => {
    const out = data.subarray(group * count, (group + 1) * count);
    if (channels.length === 1) {
      const [values] = channels;
      for (const label of labels) for (let i = 0; i < count; i++) if (values[i] === label) out[i] = 1;
      return;
    }
    for (const label of labels) {
      const values = channels[label];
      if (!values) {
        throw new DataError(
          `mergeClasses: the volume has ${channels.length} channels (0 to ${channels.length - 1}), so there is no label ${label}.`,
        );
      }
      for (let i = 0; i < count; i++) if (values[i] !== 0) out[i] = 1;
    }
  });
  return { ...volume, data, channels: groups.length, kind: 'label' };
}

/**
 * A label map from one channel for each region: a voxel gets the label of the last channel in which it lies.
 * That is where logits are above 0 and probabilities above 0.5. See `allocateLabels` for the type.
 */
export function regionLabels(volume: Volume, regions: readonly number[]): Volume {
  const count = voxelCount(volume.size);
  const data = allocateLabels(Math.max(...regions), count);
  const limit = volume.kind === 'logits' ? 0 : 0.5;
  for (const [c, label] of regions.entries()) {
    const channel = volume.data.subarray(c * count, (c + 1) * count);
    for (let i = 0; i < count; i++) if (channel[i] > limit) data[i] = label;
  }
  return { ...volume, data, channels: 1, kind: 'label' };
}
