import { copyVoxels, type Volume } from './volume.js';

/** Numbers for voxels that are not finite. */
export interface Replacements {
  readonly nan: number;
  readonly posinf: number;
  readonly neginf: number;
}

/** Replaces NaN and infinite voxels; the type stays. A volume without any is returned unchanged. */
export function nanToNum(volume: Volume, { nan, posinf, neginf }: Replacements): Volume {
  let first = 0;
  while (first < volume.data.length && Number.isFinite(volume.data[first])) first++;
  if (first === volume.data.length) return volume;
  const data = copyVoxels(volume.data);
  for (let i = first; i < data.length; i++) {
    const value = data[i];
    if (Number.isNaN(value)) data[i] = nan;
    else if (value === Number.POSITIVE_INFINITY) data[i] = posinf;
    else if (value === Number.NEGATIVE_INFINITY) data[i] = neginf;
  }
  return { ...volume, data };
}
