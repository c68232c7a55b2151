import { extent } from './rescale.js';
import { allocate, type Volume } from './volume.js';

/** The options of `adjustContrast`; see the operator. */
export interface Contrast {
  readonly gamma: number;
  readonly invertImage: boolean;
  readonly retainStats: boolean;
}

/**
 * Raises intensities, scaled to 0..1 and back, to the power `gamma`; as float32. MONAI's `AdjustContrast`,
 * over all channels together.
 */
export function adjustContrast(volume: Volume, { gamma, invertImage, retainStats }: Contrast): Volume {
  const data = allocate('float32', volume.data.length);
  const sign = invertImage ? -1 : 1;
  const from = volume.data;
  const [low, high] = extent(from);
  const least = invertImage ? -high : low;
  const range = high - low;
  // MONAI adds this so that a constant volume is not divided by 0.
  const divisor = range + 1e-7;
  for (let i = 0; i < data.length; i++) {
    data[i] = ((from[i] * sign - least) / divisor) ** gamma * range + least;
  }
  if (retainStats) {
    const before = moments(from);
    const after = moments(data);
    const scale = before.deviation / (after.deviation + 1e-8);
    for (let i = 0; i < data.length; i++) data[i] = (data[i] - after.mean) * scale + before.mean * sign;
  }
  if (invertImage) for (let i = 0; i < data.length; i++) data[i] = -data[i];
  return { ...volume, data, kind: 'image' };
}

/** The mean and the standard deviation of a sample (divided by n - 1), as PyTorch's `std`. */
function moments(values: ArrayLike<number>): { mean: number; deviation: number } {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i];
  const mean = sum / values.length;
  let squares = 0;
  for (let i = 0; i < values.length; i++) squares += (values[i] - mean) ** 2;
  return { mean, deviation: Math.sqrt(squares / (values.length - 1)) };
}
