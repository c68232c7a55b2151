import { allocate, channelsOf, type Volume, type VoxelArray } from './volume.js';

/** The options of `rescale`; see the operator `scaleIntensity`. */
export interface Rescaling {
  readonly minv: number | null;
  readonly maxv: number | null;
  readonly factor?: number;
  readonly channelWise: boolean;
}

/**
 * Maps the smallest intensity to `minv` and the largest to `maxv`, linearly; as float32. A constant volume
 * becomes its value times `minv`. Without `minv` and `maxv`, multiplies by `1 + factor`. MONAI's
 * `ScaleIntensity`.
 */
export function rescale(volume: Volume, { minv, maxv, factor = 0, channelWise }: Rescaling): Volume {
  const data = allocate('float32', volume.data.length);
  if (minv === null && maxv === null) {
    for (let i = 0; i < data.length; i++) data[i] = volume.data[i] * (1 + factor);
    return { ...volume, data, kind: 'image' };
  }
  let at = 0;
  for (const values of channelWise ? channelsOf(volume) : [volume.data]) {
    rescaleTo(values, minv, maxv, data.subarray(at, at + values.length));
    at += values.length;
  }
  return { ...volume, data, kind: 'image' };
}

function rescaleTo(values: VoxelArray, minv: number | null, maxv: number | null, out: Float32Array): void {
  const [least, most] = extent(values);
  if (least === most) {
    const factor = minv ?? 1;
    for (let i = 0; i < out.length; i++) out[i] = values[i] * factor;
    return;
  }
  const range = most - least;
  const [scale, offset] = minv === null || maxv === null ? [1, 0] : [maxv - minv, minv];
  for (let i = 0; i < out.length; i++) out[i] = ((values[i] - least) / range) * scale + offset;
}

/** The smallest and largest value; NaN if any value is NaN. */
export function extent(values: VoxelArray): [number, number] {
  let least = Number.POSITIVE_INFINITY;
  let most = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (value < least) least = value;
    if (value > most) most = value;
    if (Number.isNaN(value)) return [Number.NaN, Number.NaN];
  }
  return [least, most];
}
