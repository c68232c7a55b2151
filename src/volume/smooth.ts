import { allocate, type Vec3, type Volume, voxelCount } from './volume.js';

/** How the weights of a Gaussian are computed; MONAI's names. */
export const gaussianApproximations = ['erf', 'sampled', 'scalespace'] as const;

export type GaussianApproximation = (typeof gaussianApproximations)[number];

/**
 * Smooths with a Gaussian whose width may vary by axis (standard deviations in voxels; 0 leaves an axis
 * unchanged), zeros outside; as float32. MONAI's `GaussianSmooth`.
 *
 * @param truncated Where the Gaussian ends, in standard deviations.
 */
export function gaussianSmooth(
  volume: Volume,
  deviations: Vec3,
  approximation: GaussianApproximation = 'erf',
  truncated = 4,
): Volume {
  const data = allocate('float32', volume.data.length);
  data.set(volume.data);
  smooth_(data, volume.size, deviations, approximation, truncated);
  return { ...volume, data };
}

/** Smooths one or more channels in place; see `gaussianSmooth`. */
export function smooth_(
  data: Float32Array,
  size: Vec3,
  deviations: Vec3,
  approximation: GaussianApproximation,
  truncated: number,
): void {
  const [nx, ny, nz] = size;
  const [x, y, z] = deviations.map((deviation) =>
    deviation === 0 ? undefined : gaussianWeights(deviation, approximation, truncated),
  );
  const count = voxelCount(size);
  for (let channel = 0; channel < data.length; channel += count) {
    if (x) smoothLines(data, channel, channel + count, nx, x);
    if (y) for (let k = 0; k < nz; k++) smoothRows(data, channel + k * nx * ny, nx, ny, nx, y);
    if (z) for (let j = 0; j < ny; j++) smoothRows(data, channel + j * nx, nx * ny, nz, nx, z);
  }
}

/** Smooths each line of `n` voxels from `from` to `to` along the line. */
function smoothLines(data: Float32Array, from: number, to: number, n: number, weights: Float64Array): void {
  const tail = (weights.length - 1) / 2;
  const line = new Float64Array(n + 2 * tail);
  for (let start = from; start < to; start += n) {
    for (let i = 0; i < n; i++) line[tail + i] = data[start + i];
    for (let i = 0; i < n; i++) {
      let sum = 0;
      for (let k = 0; k < weights.length; k++) sum += weights[k] * line[i + k];
      data[start + i] = sum;
    }
  }
}

/**
 * Smooths a plane of `rows` rows of `width` voxels across the rows, which begin `stride` voxels apart. It
 * adds whole rows, since voxels of a row are neighbours in memory and those of a column are not.
 */
function smoothRows(
  data: Float32Array,
  start: number,
  stride: number,
  rows: number,
  width: number,
  weights: Float64Array,
): void {
  const tail = (weights.length - 1) / 2;
  const plane = new Float32Array(rows * width);
  for (let r = 0; r < rows; r++) {
    plane.set(data.subarray(start + r * stride, start + r * stride + width), r * width);
  }
  const sums = new Float64Array(width);
  for (let r = 0; r < rows; r++) {
    sums.fill(0);
    const last = Math.min(weights.length - 1, rows - 1 - r + tail);
    for (let k = Math.max(0, tail - r); k <= last; k++) {
      const weight = weights[k];
      const from = (r + k - tail) * width;
      for (let i = 0; i < width; i++) sums[i] += weight * plane[from + i];
    }
    data.set(sums, start + r * stride);
  }
}

/**
 * The weights of a Gaussian up to `truncated` standard deviations (in voxels); an odd number of them. They
 * are not scaled to a sum of 1. MONAI's `gaussian_1d`: `erf` integrates over each voxel, `sampled` takes the
 * value at its centre, and `scalespace` is the discrete Gaussian of Lindeberg (modified Bessel functions).
 */
export function gaussianWeights(
  deviation: number,
  approximation: GaussianApproximation = 'erf',
  truncated = 4,
): Float64Array {
  const tail = Math.trunc(Math.max(truncated * deviation, 0.5) + 0.5);
  const at = weightFunctions[approximation](deviation);
  return Float64Array.from({ length: 2 * tail + 1 }, (_, i) => at(i - tail));
}

/** For each approximation and deviation, the weight at a distance in voxels. */
const weightFunctions: Readonly<
  Record<GaussianApproximation, (deviation: number) => (distance: number) => number>
> = {
  erf: (deviation) => {
    const t = Math.SQRT1_2 / Math.abs(deviation);
    return (x) => Math.max(0.5 * (erf(t * (x + 0.5)) - erf(t * (x - 0.5))), 0);
  },
  sampled: (deviation) => (x) =>
    Math.exp((-0.5 * x * x) / (deviation * deviation)) / (Math.sqrt(2 * Math.PI) * deviation),
  scalespace: (deviation) => (x) => scaledBessel(Math.abs(x), deviation * deviation),
};

/** exp(-x) times the modified Bessel function of order n, by its power series. Its terms are positive. */
function scaledBessel(n: number, x: number): number {
  // Logarithms, since exp(x) overflows.
  let log = n * Math.log(x / 2) - x;
  for (let k = 2; k <= n; k++) log -= Math.log(k);
  let sum = 0;
  for (let m = 0; m < x || log > -745; m++) {
    sum += Math.exp(log);
    log += 2 * Math.log(x / 2) - Math.log(m + 1) - Math.log(m + 1 + n);
  }
  return sum;
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
