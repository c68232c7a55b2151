import { allocate, copyVoxels, type Volume, voxelCount } from './volume.js';

/** A region of nnU-Net: all voxels that have one of several labels. */
export interface LabelRegion {
  readonly name: string;
  readonly labels: readonly number[];
}

/** Which voxels of a label map count, and as what. */
export interface Judging {
  /** The regions to make masks of. Left out: the labels stay. */
  readonly regions?: readonly LabelRegion[] | undefined;
  /** Voxels with this label in the reference become background. */
  readonly ignoreLabel?: number | undefined;
}

/**
 * A label map of one channel as nnU-Net evaluates it: with a mask in a channel for each region, in order, and
 * without the voxels that the reference ignores.
 *
 * @param reference The reference, on the same grid; it may be the volume itself.
 */
export function judgedLabels(volume: Volume, reference: Volume, { regions, ignoreLabel }: Judging): Volume {
  const count = voxelCount(volume.size);
  const ignored = (i: number) => ignoreLabel !== undefined && reference.data[i] === ignoreLabel;
  if (!regions) {
    const data = copyVoxels(volume.data);
    for (let i = 0; i < count; i++) if (ignored(i)) data[i] = 0;
    return { ...volume, data };
  }
  const data = allocate('uint8', regions.length * count);
  for (const [channel, { labels }] of regions.entries()) {
    const wanted = new Set(labels);
    for (let i = 0; i < count; i++) {
      if (wanted.has(volume.data[i]) && !ignored(i)) data[channel * count + i] = 1;
    }
  }
  return { ...volume, data, channels: regions.length, labelNames: undefined };
}

/**
 * Whether channel 0 of several masks is the background: it is set exactly where all others are not. True for
 * one-hot labels with a background, which add up to 1 everywhere; false for BraTS' overlapping masks.
 */
export function hasBackgroundChannel({ data, size, channels }: Volume): boolean {
  const count = voxelCount(size);
  for (let i = 0; i < count; i++) {
    let foreground = false;
    for (let channel = 1; channel < channels && !foreground; channel++) {
      foreground = data[channel * count + i] !== 0;
    }
    if ((data[i] !== 0) === foreground) return false;
  }
  return channels > 1;
}
