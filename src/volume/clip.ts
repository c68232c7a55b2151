import { percentilesOf } from './percentiles.js';
import { allocate, channelsOf, type Volume } from './volume.js';

/** The options of `clip`; see the operator. Each end is a value or a percentile (0 to 100), or open. */
export interface ClipSettings {
  readonly min?: number;
  readonly max?: number;
  readonly lower?: number;
  readonly upper?: number;
  readonly channelWise: boolean;
}

/** Limits intensities to a range; as float32. Percentiles are those of all channels together, or of each. */
export function clip(volume: Volume, { min, max, lower, upper, channelWise }: ClipSettings): Volume {
  const data = allocate('float32', volume.data.length);
  let at = 0;
  for (const values of channelWise ? channelsOf(volume) : [volume.data]) {
    const percentile = (percent: number | undefined) =>
      percent === undefined ? undefined : percentilesOf(values, [percent])[0];
    const least = min ?? percentile(lower) ?? Number.NEGATIVE_INFINITY;
    const most = max ?? percentile(upper) ?? Number.POSITIVE_INFINITY;
    for (let i = 0; i < values.length; i++) {
      const value = values[i];
      data[at + i] = value < least ? least : value > most ? most : value;
    }
    at += values.length;
  }
  return { ...volume, data, kind: 'image' };
}
