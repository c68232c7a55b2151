import { extent } from './rescale.js';
import { allocate, type Volume } from './volume.js';

/**
 * Maps intensities along a piecewise linear curve: control points that are equally spaced in the range of the
 * volume (all channels together) move to the given places, 0 to 1 of that range; as float32. A constant
 * volume is returned unchanged. MONAI's `RandHistogramShift`.
 */
export function shiftHistogram(volume: Volume, places: readonly number[]): Volume {
  const [least, most] = extent(volume.data);
  if (least === most) return volume;
  const range = most - least;
  const last = places.length - 1;
  const data = allocate('float32', volume.data.length);
  for (let i = 0; i < data.length; i++) {
    const at = ((volume.data[i] - least) / range) * last;
    const segment = Math.min(Math.floor(at), last - 1);
    const low = places[segment];
    data[i] = (low + (places[segment + 1] - low) * (at - segment)) * range + least;
  }
  return { ...volume, data };
}
