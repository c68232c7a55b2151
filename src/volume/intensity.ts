import { allocate, type Volume, voxelCount } from './volume.js';

/** The options of `scaleIntensityRange`. */
export interface IntensityRange {
  readonly aMin: number;
  readonly aMax: number;
  readonly bMin?: number;
  readonly bMax?: number;
  readonly clip: boolean;
}

/** A linear map of intensities and its limits: `value * factor + offset`, clipped to `least` and `most`. */
export interface IntensityMap {
  readonly factor: number;
  readonly offset: number;
  readonly least: number;
  readonly most: number;
}

/** The map of an intensity range; the identity if there is no range. */
export function intensityMap(range?: IntensityRange): IntensityMap {
  const map = { factor: 1, offset: 0, least: Number.NEGATIVE_INFINITY, most: Number.POSITIVE_INFINITY };
  if (!range) return map;
  const { aMin, aMax, bMin, bMax, clip } = range;
  const flat = aMax === aMin;
  const scaled = bMin !== undefined && bMax !== undefined;
  const factor = flat ? 1 : (scaled ? bMax - bMin : 1) / (aMax - aMin);
  const offset = (flat || scaled ? (bMin ?? 0) : 0) - aMin * factor;
  if (!clip || flat) return { ...map, factor, offset };
  return { factor, offset, least: bMin ?? map.least, most: bMax ?? map.most };
}

/**
 * Maps aMin..aMax linearly to bMin..bMax (0..1 if both are missing), as float32. If aMin equals aMax, values
 * are shifted by -aMin (and +bMin) and not clipped; MONAI's `ScaleIntensityRange`.
 */
export function scaleIntensityRange(volume: Volume, range: IntensityRange): Volume {
  const data = allocate('float32', volume.data.length);
  const from = volume.data;
  const { factor, offset, least, most } = intensityMap(range);
  for (let i = 0; i < from.length; i++) {
    const value = from[i] * factor + offset;
    data[i] = value < least ? least : value > most ? most : value;
  }
  return { ...volume, data, kind: 'image' };
}

/** The options of `normalizeIntensity`; a list holds one value per channel. */
export interface Normalization {
  readonly subtrahend?: number | readonly number[];
  readonly divisor?: number | readonly number[];
  readonly nonzero: boolean;
  readonly channelWise: boolean;
}

/**
 * Subtracts the mean and divides by the (population) standard deviation, or uses the given numbers.
 * Statistics are over all voxels, or over the nonzero ones, which are then the only ones changed. A divisor
 * of 0 counts as 1. MONAI's `NormalizeIntensity`.
 */
export function normalizeIntensity(volume: Volume, options: Normalization): Volume {
  const data = allocate('float32', volume.data.length);
  data.set(volume.data);
  const count = voxelCount(volume.size);
  if (options.channelWise) {
    for (let channel = 0; channel < volume.channels; channel++) {
      const pick = (value: number | readonly number[] | undefined) =>
        typeof value === 'object' ? value[channel] : value;
      normalize(data.subarray(channel * count, (channel + 1) * count), {
        nonzero: options.nonzero,
        subtrahend: pick(options.subtrahend),
        divisor: pick(options.divisor),
      });
    }
  } else {
    normalize(data, options as Parameters<typeof normalize>[1]);
  }
  return { ...volume, data, kind: 'image' };
}

function normalize(
  data: Float32Array,
  options: { nonzero: boolean; subtrahend?: number; divisor?: number },
): void {
  const counts = (value: number) => !options.nonzero || value !== 0;
  let n = 0;
  let sum = 0;
  for (const value of data) {
    if (counts(value)) {
      n++;
      sum += value;
    }
  }
  if (n === 0) return;
  const mean = sum / n;
  let squares = 0;
  if (options.divisor === undefined) {
    for (const value of data) if (counts(value)) squares += (value - mean) ** 2;
  }
  const subtrahend = options.subtrahend ?? mean;
  const divisor = (options.divisor ?? Math.sqrt(squares / n)) || 1;
  for (let i = 0; i < data.length; i++) {
    if (counts(data[i])) data[i] = (data[i] - subtrahend) / divisor;
  }
}
