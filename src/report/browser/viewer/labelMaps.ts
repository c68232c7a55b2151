/** The voxels of a label map, x fastest: a typed array of any kind. */
export interface Voxels<Same> {
  readonly length: number;
  [index: number]: number;
  slice(): Same;
}

/** The size of a label map in voxels. */
export type Size = readonly [x: number, y: number, z: number];

/**
 * The voxels of a label map that share a face with a voxel of another label; all others are 0. The border of
 * the volume does not count as another label.
 */
export function bordersOf<Labels extends Voxels<Labels>>(labels: Labels, [nx, ny, nz]: Size): Labels {
  const out = labels.slice();
  const steps = [1, nx, nx * ny];
  for (let z = 0, i = 0; z < nz; z++) {
    for (let y = 0; y < ny; y++) {
      for (let x = 0; x < nx; x++, i++) {
        if (labels[i] === 0) continue;
        const differs = [x, y, z].some(
          (at, axis) =>
            (at > 0 && labels[i - steps[axis]] !== labels[i]) ||
            (at < [nx, ny, nz][axis] - 1 && labels[i + steps[axis]] !== labels[i]),
        );
        if (!differs) out[i] = 0;
      }
    }
  }
  return out;
}

/**
 * Whether a voxel's number belongs to a label. With `channels`, the label is a channel, and the number is the
 * sum of 2^c over the channels c of the voxel.
 */
export function belongs(value: number, label: number, channels = false): boolean {
  return channels ? Math.floor(value / 2 ** label) % 2 === 1 : value === label;
}

/**
 * The mean voxel index of a label, or of all labels if none is given, rounded; undefined where there are no
 * such voxels. See `belongs` for `channels`.
 */
export function centreOf(
  labels: ArrayLike<number>,
  [nx, ny, nz]: Size,
  label?: number,
  channels = false,
): [number, number, number] | undefined {
  const sums = [0, 0, 0];
  let count = 0;
  for (let i = 0; i < nx * ny * nz; i++) {
    if (labels[i] === 0 || (label !== undefined && !belongs(labels[i], label, channels))) continue;
    count++;
    sums[0] += i % nx;
    sums[1] += Math.floor(i / nx) % ny;
    sums[2] += Math.floor(i / (nx * ny));
  }
  if (count === 0) return undefined;
  return [Math.round(sums[0] / count), Math.round(sums[1] / count), Math.round(sums[2] / count)];
}
