import { roundHalfEven } from './affine.js';
import { statedSpacing } from './statedSpacing.js';
import type { Triple, Vec3, Volume } from './volume.js';

/** What is measured of one label; see `labelStatistics`. */
export interface LabelStatistics {
  readonly voxels: number;
  /** In mm³. */
  readonly volume: number;
  /** The mean of the image, rounded to 5 decimals. */
  readonly mean: number;
  /** The standard deviation of the population, rounded to 5 decimals. */
  readonly std: number;
  readonly min: number;
  readonly max: number;
  /** The mean index along each axis, rounded to 2 decimals; undefined without voxels. */
  readonly centroid?: Vec3;
  /** The first and the last index along each axis; undefined without voxels. */
  readonly box?: { readonly low: Vec3; readonly high: Vec3 };
}

const nothing: LabelStatistics = { voxels: 0, volume: 0, mean: 0, std: 0, min: 0, max: 0 };

/** The sums over a label. */
class Sums {
  count = 0;
  sum = 0;
  squares = 0;
  min = Number.POSITIVE_INFINITY;
  max = Number.NEGATIVE_INFINITY;
  readonly places: Triple = [0, 0, 0];
  readonly low: Triple = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  readonly high: Triple = [-1, -1, -1];

  add(value: number, x: number, y: number, z: number): void {
    this.count++;
    this.sum += value;
    this.squares += value * value;
    if (value < this.min) this.min = value;
    if (value > this.max) this.max = value;
    const { places, low, high } = this;
    places[0] += x;
    places[1] += y;
    places[2] += z;
    if (x < low[0]) low[0] = x;
    if (x > high[0]) high[0] = x;
    if (y < low[1]) low[1] = y;
    if (y > high[1]) high[1] = y;
    if (z < low[2]) low[2] = z;
    if (z > high[2]) high[2] = z;
  }
}

/**
 * Measures labels and the image in them, as TotalSegmentator's `statistics.json` does: values of the image
 * count as int16 without their fractions, and the volume of a voxel is the product of the voxel sizes that
 * the file states, in float32.
 *
 * @param border A label with a voxel among the outermost `border` ones along an axis counts as missing.
 */
export function labelStatistics(
  volume: Volume,
  image: Volume,
  labels: readonly number[],
  border: number,
): LabelStatistics[] {
  const [nx, ny, nz] = volume.size;
  const sums = new Map<number, Sums>();
  const stored = new Int16Array(1);
  // Neighbours along x mostly have the same label.
  let last = 0;
  let found: Sums | undefined;
  let at = 0;
  for (let z = 0; z < nz; z++) {
    for (let y = 0; y < ny; y++) {
      for (let x = 0; x < nx; x++, at++) {
        const label = volume.data[at];
        if (label === 0) continue;
        if (!found || label !== last) {
          found = sums.get(label) ?? new Sums();
          sums.set(label, found);
          last = label;
        }
        stored[0] = image.data[at];
        found.add(stored[0], x, y, z);
      }
    }
  }
  const voxel = statedSpacing(image)
    .map(Math.fround)
    .reduce((product, length) => Math.fround(product * length));
  return labels.map((label) => {
    const found = sums.get(label);
    if (!found || isAtBorder(found, volume.size, border)) return nothing;
    const { count, sum, squares, min, max, places, low, high } = found;
    const mean = sum / count;
    return {
      voxels: count,
      volume: count * voxel,
      mean: rounded(mean, 5),
      std: rounded(Math.sqrt(Math.max(0, squares / count - mean * mean)), 5),
      min,
      max,
      centroid: places.map((place) => rounded(place / count, 2)) as Triple,
      box: { low, high },
    };
  });
}

function isAtBorder({ low, high }: Sums, size: Vec3, border: number): boolean {
  return size.some((n, axis) => low[axis] < border || high[axis] >= n - border);
}

function rounded(value: number, decimals: number): number {
  return roundHalfEven(value * 10 ** decimals) / 10 ** decimals;
}
