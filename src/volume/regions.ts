import { channelsOf, type Triple, type Vec3, type Volume, type VoxelArray } from './volume.js';

/** A box of voxels: its first voxel and its size. */
export interface Box {
  readonly start: Vec3;
  readonly size: Vec3;
}

/** The box around a label's voxels, and their number. */
export interface Region extends Box {
  readonly count: number;
}

/**
 * The region of each value of a label map of one channel (x fastest), found in one pass; NaN is ignored.
 * Values are in ascending order.
 */
export function findRegions(data: VoxelArray, [nx, ny, nz]: Vec3): Map<number, Region> {
  const found = new Map<number, { count: number; low: number[]; high: number[] }>();
  for (let z = 0; z < nz; z++) {
    for (let y = 0; y < ny; y++) {
      const row = (z * ny + y) * nx;
      let x = 0;
      while (x < nx) {
        const value = data[row + x];
        const begin = x++;
        while (x < nx && data[row + x] === value) x++;
        const region = found.get(value);
        if (!region) {
          found.set(value, { count: x - begin, low: [begin, y, z], high: [x, y + 1, z + 1] });
          continue;
        }
        const { low, high } = region;
        region.count += x - begin;
        if (begin < low[0]) low[0] = begin;
        if (x > high[0]) high[0] = x;
        if (y < low[1]) low[1] = y;
        if (y >= high[1]) high[1] = y + 1;
        high[2] = z + 1;
      }
    }
  }
  found.delete(Number.NaN);
  const values = [...found.keys()].sort((a, b) => a - b);
  return new Map(
    values.map((value) => {
      const { count, low, high } = found.get(value)!;
      const size = high.map((end, axis) => end - low[axis]) as Triple;
      return [value, { count, start: low as Triple, size }];
    }),
  );
}

/** The smallest box around boxes; undefined if there are none. */
export function boxAround(boxes: readonly Box[]): Box | undefined {
  if (boxes.length === 0) return undefined;
  const start = [0, 1, 2].map((axis) => Math.min(...boxes.map((box) => box.start[axis])));
  const size = start.map(
    (low, axis) => Math.max(...boxes.map((box) => box.start[axis] + box.size[axis])) - low,
  );
  return { start: start as Triple, size: size as Triple };
}

/**
 * A label's voxels: those of `data` (one channel) that equal `label`, or that are not 0 if `label` is
 * missing.
 */
export interface LabelVoxels {
  readonly data: VoxelArray;
  readonly label?: number;
  /** A box that contains all of them. */
  readonly box: Box;
}

/**
 * The labels of a volume, all but 0 unless their numbers are given: the values of a label map with one
 * channel, or the channels of a volume with several, each of which is a mask.
 */
export function labelsOf(volume: Volume, numbers?: readonly number[]): LabelVoxels[] {
  const { data, size, channels } = volume;
  const wanted = (label: number) => (numbers ? numbers.includes(label) : label !== 0);
  if (channels === 1) {
    return [...findRegions(data, size)].flatMap(([label, box]) =>
      wanted(label) ? [{ data, label, box }] : [],
    );
  }
  return channelsOf(volume).flatMap((mask, channel) => {
    const regions = findRegions(mask, size);
    regions.delete(0);
    const box = boxAround([...regions.values()]);
    return box && wanted(channel) ? [{ data: mask, box }] : [];
  });
}

/** A label's voxels in a box: of a value if the volume has one channel, else of a channel. */
export function labelIn(volume: Volume, label: number, box: Box): LabelVoxels {
  return volume.channels === 1 ? { data: volume.data, label, box } : { data: channelsOf(volume)[label], box };
}

/** A mask of a box: 1 for voxels of any of the labels, else 0. */
export function maskOf(labels: readonly LabelVoxels[], size: Vec3, { start, size: box }: Box): Uint8Array {
  const [nx, ny, nz] = box;
  const mask = new Uint8Array(nx * ny * nz);
  for (const { data, label } of labels) {
    for (let row = 0; row < ny * nz; row++) {
      const z = Math.floor(row / ny);
      const from = ((z + start[2]) * size[1] + (row - z * ny) + start[1]) * size[0] + start[0];
      const to = row * nx;
      // Writing only the ones is several times as fast as writing every voxel.
      if (label === undefined) {
        for (let x = 0; x < nx; x++) if (data[from + x] !== 0) mask[to + x] = 1;
      } else {
        for (let x = 0; x < nx; x++) if (data[from + x] === label) mask[to + x] = 1;
      }
    }
  }
  return mask;
}
