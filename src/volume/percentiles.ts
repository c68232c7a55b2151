import { intensityMap } from './intensity.js';
import { allocate, channelsOf, type Volume, type VoxelArray } from './volume.js';

/** The options of `scaleIntensityRangePercentiles`. */
export interface PercentileRange {
  /** Percentiles, 0 to 100. */
  readonly lower: number;
  readonly upper: number;
  readonly bMin?: number | null;
  readonly bMax?: number | null;
  readonly clip: boolean;
  /** Map to the part of bMin..bMax that the percentiles stand for. */
  readonly relative: boolean;
  readonly channelWise: boolean;
}

/**
 * Maps the intensities between two percentiles linearly to bMin..bMax; as float32. MONAI's
 * `ScaleIntensityRangePercentiles`.
 */
export function scaleIntensityRangePercentiles(volume: Volume, range: PercentileRange): Volume {
  const data = allocate('float32', volume.data.length);
  let [bMin, bMax] = [range.bMin ?? undefined, range.bMax ?? undefined];
  if (range.relative && bMin !== undefined && bMax !== undefined) {
    const width = bMax - bMin;
    [bMin, bMax] = [bMin + width * (range.lower / 100), bMin + width * (range.upper / 100)];
  }
  let at = 0;
  for (const values of range.channelWise ? channelsOf(volume) : [volume.data]) {
    const [aMin, aMax] = percentilesOf(values, [range.lower, range.upper]);
    const { factor, offset, least, most } = intensityMap({ aMin, aMax, bMin, bMax, clip: range.clip });
    for (let i = 0; i < values.length; i++) {
      const value = values[i] * factor + offset;
      data[at + i] = value < least ? least : value > most ? most : value;
    }
    at += values.length;
  }
  return { ...volume, data, kind: 'image' };
}

/** Up to this many voxels MONAI uses PyTorch's quantile, in float32, and for more NumPy's, in float64. */
const mostForTorch = 1_000_000;

/**
 * The percentiles of voxels as float32, interpolated between neighbours; MONAI's `percentile`. NaN if any
 * voxel is NaN.
 *
 * It sorts nothing: two passes count the upper and the lower halves of the bits, in the order of the numbers.
 */
export function percentilesOf(values: VoxelArray, percents: readonly number[]): number[] {
  const n = values.length;
  const places = percents.map((percent) => {
    const place =
      n > mostForTorch ? (percent / 100) * (n - 1) : Math.fround(Math.fround(percent / 100) * (n - 1));
    return {
      low: Math.floor(place),
      high: Math.min(Math.ceil(place), n - 1),
      weight: place - Math.floor(place),
    };
  });
  const found = orderStatistics(values, [...new Set(places.flatMap(({ low, high }) => [low, high]))]);
  return places.map(({ low, high, weight }) => {
    const [a, b] = [found.get(low) ?? Number.NaN, found.get(high) ?? Number.NaN];
    if (a === b) return a;
    return Math.fround(weight < 0.5 ? a + weight * (b - a) : b - (b - a) * (1 - weight));
  });
}

const half = 1 << 16;

/** The float32 values at these places (from 0) of the sorted voxels; none if a voxel is NaN. */
function orderStatistics(values: VoxelArray, places: readonly number[]): Map<number, number> {
  const upper = new Uint32Array(half);
  let sound = true;
  eachBits(values, (bits, count) => {
    for (let i = 0; i < count; i++) {
      if ((bits[i] & 0x7fffffff) > 0x7f800000) sound = false;
      upper[orderOf(bits[i]) >>> 16]++;
    }
  });
  const found = new Map<number, number>();
  if (!sound) return found;
  const targets = places.map((place) => ({ place, ...locate(upper, place) }));
  const lower = new Map(targets.map(({ bucket }) => [bucket, new Uint32Array(half)]));
  const tables = Array.from({ length: half }, (_, bucket) => lower.get(bucket));
  eachBits(values, (bits, count) => {
    for (let i = 0; i < count; i++) {
      const order = orderOf(bits[i]);
      const table = tables[order >>> 16];
      if (table) table[order & 0xffff]++;
    }
  });
  for (const { place, bucket, rest } of targets) {
    const order = ((bucket << 16) | locate(lower.get(bucket) ?? upper, rest).bucket) >>> 0;
    found.set(place, fromOrder(order));
  }
  return found;
}

/** The bucket that holds the value at a place, and its place among those of the bucket. */
function locate(counts: Uint32Array, place: number): { bucket: number; rest: number } {
  let rest = place;
  let bucket = 0;
  while (rest >= counts[bucket]) rest -= counts[bucket++];
  return { bucket, rest };
}

/** Visits the bits of all voxels as float32, in blocks. */
function eachBits(values: VoxelArray, visit: (bits: Uint32Array, count: number) => void): void {
  const block = new Float32Array(1 << 14);
  const bits = new Uint32Array(block.buffer);
  for (let at = 0; at < values.length; at += block.length) {
    const part = values.subarray(at, at + block.length);
    block.set(part);
    visit(bits, part.length);
  }
}

/** Whole numbers in the order of the floats that have these bits. */
function orderOf(bits: number): number {
  return (bits & 0x80000000 ? ~bits : bits | 0x80000000) >>> 0;
}

function fromOrder(order: number): number {
  const bits = Uint32Array.of(order & 0x80000000 ? order & 0x7fffffff : ~order);
  return new Float32Array(bits.buffer)[0];
}
