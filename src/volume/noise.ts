import { Random } from './random.js';
import { allocate, channelsOf, type Vec3, type Volume, voxelCount } from './volume.js';

/** Multiplies voxels by `factor` and adds `offset`, with one of each per channel; as float32. */
export function scaleAndShift(
  volume: Volume,
  factors: readonly number[],
  offsets: readonly number[],
): Volume {
  const data = allocate('float32', volume.data.length);
  const count = voxelCount(volume.size);
  channelsOf(volume).forEach((from, channel) => {
    const to = data.subarray(channel * count, (channel + 1) * count);
    const factor = factors[channel];
    const offset = offsets[channel];
    for (let i = 0; i < count; i++) to[i] = from[i] * factor + offset;
  });
  return { ...volume, data };
}

/** Adds a normally distributed random number to each voxel; as float32. */
export function addNoise(
  volume: Volume,
  mean: number,
  deviation: number,
  seed: readonly [number, number],
): Volume {
  const random = new Random(...seed);
  const data = allocate('float32', volume.data.length);
  for (let i = 0; i < data.length; i++) data[i] = volume.data[i] + random.normal(mean, deviation);
  return { ...volume, data };
}

/**
 * The weights of a Gaussian integrated over each voxel, up to four standard deviations (in voxels); an odd
 * number of them. They are not scaled to a sum of 1. MONAI's `gaussian_1d` with `approx: erf`.
 */
export function gaussianWeights(deviation: number): number[] {
  const tail = Math.trunc(Math.max(4 * deviation, 0.5) + 0.5);
  const t = Math.SQRT1_2 / Math.abs(deviation);
  return Array.from({ length: 2 * tail + 1 }, (_, i) =>
    Math.max(0.5 * (erf(t * (i - tail + 0.5)) - erf(t * (i - tail - 0.5))), 0),
  );
}

/**
 * Smooths with a Gaussian whose width may vary by axis (standard deviations in voxels), zeros outside; as
 * float32.
 */
export function gaussianSmooth(volume: Volume, deviations: Vec3): Volume {
  const data = allocate('float32', volume.data.length);
  data.set(volume.data);
  const { size } = volume;
  const count = voxelCount(size);
  const strides = [1, size[0], size[0] * size[1]];
  deviations.forEach((deviation, axis) => {
    if (deviation === 0) return;
    const weights = gaussianWeights(deviation);
    const tail = (weights.length - 1) / 2;
    const n = size[axis];
    const stride = strides[axis];
    const line = new Float32Array(n + 2 * tail);
    for (let start = 0; start < data.length; start++) {
      // The first voxel of each line: its index along the axis is 0.
      if (Math.floor((start % count) / stride) % n !== 0) continue;
      for (let i = 0; i < n; i++) line[tail + i] = data[start + i * stride];
      for (let i = 0; i < n; i++) {
        let sum = 0;
        for (let k = 0; k < weights.length; k++) sum += weights[k] * line[i + k];
        data[start + i * stride] = sum;
      }
    }
  });
  return { ...volume, data };
}

/**
 * The error function, within 3e-15: its power series up to 3, beyond that the continued fraction of its
 * complement (Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.6 and 7.1.14).
 */
export function erf(x: number): number {
  const z = Math.abs(x);
  if (z > 6) return Math.sign(x);
  if (z > 3) {
    let fraction = z;
    for (let n = 60; n > 0; n--) fraction = z + n / 2 / fraction;
    return Math.sign(x) * (1 - Math.exp(-z * z) / (fraction * Math.sqrt(Math.PI)));
  }
  let term = z;
  let sum = z;
  for (let n = 1; term > sum * 1e-17; n++) {
    term *= (2 * z * z) / (2 * n + 1);
    sum += term;
  }
  return Math.sign(x) * ((2 / Math.sqrt(Math.PI)) * Math.exp(-z * z) * sum);
}
