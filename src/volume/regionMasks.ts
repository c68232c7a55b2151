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

/** What is in the channels of several masks. */
export interface MaskFacts {
  /**
   * Channel 0 is the background: it is set exactly where all others are not. True for one-hot labels with a
   * background, which add up to 1 everywhere; false for BraTS' overlapping masks.
   */
  readonly background: boolean;
  /** The channel with the most voxels. */
  readonly largest: number;
  /** A channel that is not a mask, because it has several values besides 0; two of them. */
  readonly mixed?: { readonly channel: number; readonly values: readonly [number, number] };
}

/** Looks at the channels of a volume, each of which should be a mask. */
export function maskFacts(volume: Volume): MaskFacts {
  const { data, size, channels } = volume;
  const count = voxelCount(size);
  const counts = new Array<number>(channels).fill(0);
  let mixed: MaskFacts['mixed'];
  for (let channel = 0; channel < channels; channel++) {
    let first = 0;
    for (let at = channel * count; at < (channel + 1) * count; at++) {
      const value = data[at];
      if (value === 0) continue;
      counts[channel]++;
      if (first === 0) first = value;
      else if (value !== first) mixed ??= { channel, values: [first, value] };
    }
  }
  return {
    background: hasBackgroundChannel(volume),
    largest: counts.indexOf(Math.max(...counts)),
    ...(mixed && { mixed }),
  };
}

function hasBackgroundChannel({ data, size, channels }: Volume): boolean {
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

/**
 * Masks of labels in channels 1, 2 and so on, with the background in channel 0. A label is a value, or a
 * channel if the volume has several. The mask of an undefined label is empty.
 */
export function labelMasks(volume: Volume, labels: readonly (number | undefined)[]): Volume {
  const count = voxelCount(volume.size);
  const data = allocate('uint8', (labels.length + 1) * count);
  data.fill(1, 0, count);
  for (const [i, label] of labels.entries()) {
    if (label === undefined) continue;
    const masks = volume.channels > 1;
    const from = masks ? label * count : 0;
    for (let at = 0; at < count; at++) {
      const value = volume.data[from + at];
      if (masks ? value === 0 : value !== label) continue;
      data[at] = 0;
      data[(i + 1) * count + at] = 1;
    }
  }
  return { ...volume, data, channels: labels.length + 1 };
}
