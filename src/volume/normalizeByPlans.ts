import { DataError } from '../errors.js';
import { allocate, type Volume, type VoxelArray, voxelCount } from './volume.js';

/** How one channel is normalized; see the operator `normalizeByPlans`. */
export type Normalization =
  | {
      readonly scheme: 'ct';
      readonly mean: number;
      readonly std: number;
      readonly low: number;
      readonly high: number;
    }
  | { readonly scheme: 'zScore'; readonly mask?: boolean }
  | { readonly scheme: 'rescale' | 'rgb' | 'none' };

/** nnU-Net divides by at least this. */
const leastDivisor = 1e-8;

/**
 * Normalizes each channel by its own scheme, as nnU-Net v2 does: in float32, with the population's standard
 * deviation. Means are summed in float64, where nnU-Net sums in float32: they differ by about 1e-6 of their
 * size.
 *
 * @param mask 1 inside, of the size of the volume: for `zScore` with `mask`.
 * @throws DataError if a channel with `rgb` has values outside of 0 to 255.
 */
export function normalizeByPlans(
  volume: Volume,
  channels: readonly Normalization[],
  mask: VoxelArray | undefined,
): Volume {
  const count = voxelCount(volume.size);
  const data = allocate('float32', volume.data.length);
  data.set(volume.data);
  for (const [c, scheme] of channels.entries()) {
    normalize_(data.subarray(c * count, (c + 1) * count), scheme, mask, `channel ${c}`);
  }
  return { ...volume, data, kind: 'image' };
}

function normalize_(
  values: Float32Array,
  scheme: Normalization,
  mask: VoxelArray | undefined,
  what: string,
): void {
  switch (scheme.scheme) {
    case 'ct': {
      const [low, high, mean] = [scheme.low, scheme.high, scheme.mean].map(Math.fround);
      const divisor = Math.fround(Math.max(scheme.std, leastDivisor));
      for (let i = 0; i < values.length; i++) {
        values[i] = Math.fround(Math.min(Math.max(values[i], low), high) - mean) / divisor;
      }
      return;
    }
    case 'zScore':
      zScore_(values, scheme.mask ? mask : undefined);
      return;
    case 'rescale': {
      const [low, high] = rangeOf(values);
      const divisor = Math.max(Math.fround(high - low), leastDivisor);
      for (let i = 0; i < values.length; i++) values[i] = Math.fround(values[i] - low) / divisor;
      return;
    }
    case 'rgb': {
      const [low, high] = rangeOf(values);
      if (low < 0 || high > 255) {
        throw new DataError(
          `The values of ${what} are ${low} to ${high}, but the model takes RGB images with values from 0 to 255.`,
        );
      }
      for (let i = 0; i < values.length; i++) values[i] /= 255;
      return;
    }
    case 'none':
  }
}

function zScore_(values: Float32Array, mask: VoxelArray | undefined): void {
  const inside = (i: number) => mask?.[i] !== 0;
  let count = 0;
  let sum = 0;
  for (let i = 0; i < values.length; i++) {
    if (!inside(i)) continue;
    count++;
    sum += values[i];
  }
  if (count === 0) return;
  const mean = sum / count;
  let squares = 0;
  for (let i = 0; i < values.length; i++) if (inside(i)) squares += (values[i] - mean) ** 2;
  const divisor = Math.fround(Math.max(Math.sqrt(squares / count), leastDivisor));
  const subtrahend = Math.fround(mean);
  for (let i = 0; i < values.length; i++) {
    if (inside(i)) values[i] = Math.fround(values[i] - subtrahend) / divisor;
  }
}

function rangeOf(values: Float32Array): [number, number] {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return [low, high];
}
