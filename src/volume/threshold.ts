import { allocate, type Volume } from './volume.js';

/**
 * Keeps intensities above `threshold` (or below it) and sets all others to `cval`; as float32. NaN is
 * neither. MONAI's `ThresholdIntensity`.
 */
export function thresholdIntensity(volume: Volume, threshold: number, above: boolean, cval: number): Volume {
  const data = allocate('float32', volume.data.length);
  const from = volume.data;
  for (let i = 0; i < data.length; i++) {
    const value = from[i];
    data[i] = (above ? value > threshold : value < threshold) ? value : cval;
  }
  return { ...volume, data, kind: 'image' };
}
