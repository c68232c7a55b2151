import type { Box } from './regions.js';
import { channelsOf, type Vec3, type Volume, type VoxelArray } from './volume.js';

/** How a prediction and a reference share a label, in voxels. */
export interface Overlap {
  /** Voxels that have the label in the prediction, in the reference, and in both. */
  readonly predicted: number;
  readonly reference: number;
  readonly both: number;
  /** The box around the label's voxels in either. */
  readonly box: Box;
}

/**
 * Compares two label maps of the same size voxel by voxel, in one pass for all labels. The result has every
 * label that occurs in either of them, by number. Labels are values if both have one channel; else they are
 * channels, each a mask of its nonzero voxels.
 */
export function countOverlaps(prediction: Volume, reference: Volume): Map<number, Overlap> {
  const { size, channels } = reference;
  if (channels === 1) return compare(prediction.data, reference.data, size);
  const predicted = channelsOf(prediction);
  const byChannel = channelsOf(reference).map((mask, channel) => {
    const found = compare(asMask(predicted[channel]), asMask(mask), size).get(1);
    return found ? [[channel, found] as const] : [];
  });
  return new Map(byChannel.flat());
}

function asMask(data: VoxelArray): Uint8Array {
  return Uint8Array.from(data, (value) => (value !== 0 ? 1 : 0));
}

interface Tally {
  predicted: number;
  reference: number;
  both: number;
  readonly low: [number, number, number];
  readonly high: [number, number, number];
}

function compare(prediction: VoxelArray, reference: VoxelArray, [nx, ny, nz]: Vec3): Map<number, Overlap> {
  const tallies = new Map<number, Tally>();
  /** Notes that a label is in a run of a row, from `begin` to `end` (exclusive). */
  const note = (label: number, begin: number, end: number, y: number, z: number): Tally => {
    let tally = tallies.get(label);
    if (!tally) {
      tally = { predicted: 0, reference: 0, both: 0, low: [begin, y, z], high: [end, y + 1, z + 1] };
      tallies.set(label, tally);
      return tally;
    }
    const { low, high } = tally;
    if (begin < low[0]) low[0] = begin;
    if (end > high[0]) high[0] = end;
    if (y < low[1]) low[1] = y;
    if (y >= high[1]) high[1] = y + 1;
    high[2] = z + 1;
    return tally;
  };
  for (let z = 0; z < nz; z++) {
    for (let y = 0; y < ny; y++) {
      const row = (z * ny + y) * nx;
      let x = 0;
      while (x < nx) {
        const begin = x;
        const p = prediction[row + x];
        const r = reference[row + x++];
        while (x < nx && prediction[row + x] === p && reference[row + x] === r) x++;
        const predicted = note(p, begin, x, y, z);
        predicted.predicted += x - begin;
        if (p === r) predicted.both += x - begin;
        (p === r ? predicted : note(r, begin, x, y, z)).reference += x - begin;
      }
    }
  }
  return new Map(
    [...tallies]
      .sort(([a], [b]) => a - b)
      .map(([label, { low, high, ...counts }]) => {
        const size: Vec3 = [high[0] - low[0], high[1] - low[1], high[2] - low[2]];
        return [label, { ...counts, box: { start: low, size } }];
      }),
  );
}
