import { DataError } from '../errors.js';
import { extent } from './rescale.js';
import { allocate, channelsOf, type Volume, type VoxelArray } from './volume.js';

/** The options of `histogramNormalize`. */
export interface HistogramSettings {
  readonly numBins: number;
  readonly min: number;
  readonly max: number;
}

/**
 * Equalizes the histogram: intensities become their share among all voxels, scaled to min..max; as float32.
 * The histogram counts voxels of all channels, or those where the mask (of one channel, or as many) is not 0.
 * MONAI's `HistogramNormalize`, which interpolates between the centres of NumPy's bins.
 *
 * @throws DataError if no voxel is counted, or a counted one is not finite.
 */
export function histogramNormalize(
  volume: Volume,
  mask: Volume | undefined,
  { numBins, min, max }: HistogramSettings,
): Volume {
  const counted = mask ? masked(volume, mask) : new Float32Array(volume.data);
  const edges = binEdges(counted, numBins);
  const counts = histogram(counted, edges);
  const heights = cumulated(counts, min, max);
  const centres = heights.map((_, bin) => Math.fround(Math.fround(edges[bin] + edges[bin + 1]) / 2));
  const data = allocate('float32', volume.data.length);
  const last = numBins - 1;
  // Bins are equally wide, but for rounding: the first guess is off by one at most.
  const perUnit = last / (centres[last] - centres[0]);
  for (let i = 0; i < data.length; i++) {
    const value = Math.fround(volume.data[i]);
    if (value <= centres[0]) data[i] = heights[0];
    else if (value >= centres[last]) data[i] = heights[last];
    else {
      let bin = Math.min(Math.max(Math.floor((value - centres[0]) * perUnit), 0), last - 1);
      while (value < centres[bin]) bin--;
      while (value >= centres[bin + 1]) bin++;
      const slope = (heights[bin + 1] - heights[bin]) / (centres[bin + 1] - centres[bin]);
      data[i] = slope * (value - centres[bin]) + heights[bin];
    }
  }
  return { ...volume, data, kind: 'image' };
}

/** The voxels where the mask is not 0, as float32. */
function masked(volume: Volume, mask: Volume): Float32Array {
  const masks = channelsOf(mask);
  const chosen = channelsOf(volume).map((values, channel): readonly [VoxelArray, VoxelArray] => [
    values,
    masks[mask.channels === 1 ? 0 : channel],
  ]);
  let count = 0;
  for (const [, inside] of chosen) for (const value of inside) if (value !== 0) count++;
  const out = new Float32Array(count);
  let at = 0;
  for (const [values, inside] of chosen) {
    for (let i = 0; i < values.length; i++) if (inside[i] !== 0) out[at++] = values[i];
  }
  return out;
}

/** The edges of equally wide bins from the smallest to the largest value; NumPy's, which are float32. */
function binEdges(values: Float32Array, bins: number): Float32Array {
  let [first, last] = extent(values);
  if (!Number.isFinite(last - first)) {
    throw new DataError(
      values.length === 0
        ? 'histogramNormalize has no voxel to count: the mask is empty.'
        : 'histogramNormalize counts finite intensities only, but the volume has NaN or infinite ones. Put nanToNum before it.',
    );
  }
  if (first === last) [first, last] = [Math.fround(first - 0.5), Math.fround(last + 0.5)];
  const step = Math.fround(Math.fround(last - first) / bins);
  return Float32Array.from({ length: bins + 1 }, (_, i) => (i === bins ? last : i * step + first));
}

/**
 * How many values are in each bin: from its lower edge to the upper one (exclusive, but for the last bin).
 */
function histogram(values: Float32Array, edges: Float32Array): Float64Array {
  const counts = new Float64Array(edges.length - 1);
  const last = counts.length - 1;
  const perUnit = counts.length / (edges[counts.length] - edges[0]);
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    let bin = Math.min(Math.floor((value - edges[0]) * perUnit), last);
    if (value < edges[bin]) bin--;
    else if (bin < last && value >= edges[bin + 1]) bin++;
    counts[bin]++;
  }
  return counts;
}

/** The running sum of counts, scaled to min..max. */
function cumulated(counts: Float64Array, min: number, max: number): Float64Array {
  const sums = new Float64Array(counts.length);
  let sum = 0;
  for (let i = 0; i < counts.length; i++) sums[i] = sum += counts[i];
  const [least, most] = [sums[0], sum];
  return sums.map((value) =>
    least === most ? value * min : ((value - least) / (most - least)) * (max - min) + min,
  );
}
