import { allocate, channelsOf, type Vec3, type Volume, type VoxelArray, voxelCount } from './volume.js';

/**
 * The contours of labels: 1 for voxels that exceed the mean of their 26 neighbours, zeros outside. It is a
 * Laplace filter, cut off at 0 and 1; so fractions give fractions. MONAI's `LabelToContour`.
 */
export function labelToContour(volume: Volume): Volume {
  const { kind, size } = volume;
  const data =
    kind === 'label' ? allocate('uint8', volume.data.length) : allocate('float32', volume.data.length);
  const count = voxelCount(size);
  channelsOf(volume).forEach((values, channel) => {
    contourOf(values, size, data.subarray(channel * count, (channel + 1) * count));
  });
  return { ...volume, data };
}

function contourOf(values: VoxelArray, [nx, ny, nz]: Vec3, out: VoxelArray): void {
  const area = nx * ny;
  const slices = [0, 1, 2].map(() => new Float64Array(area));
  const empty = new Float64Array(area);
  const rows = new Float64Array(area);
  /** Sums over 3 x 3 neighbours within a slice. */
  const sumSlice = (z: number) => {
    const sums = slices[z % 3];
    const start = z * area;
    for (let at = 0; at < area; at += nx) {
      for (let x = 0; x < nx; x++) {
        let sum = values[start + at + x];
        if (x > 0) sum += values[start + at + x - 1];
        if (x + 1 < nx) sum += values[start + at + x + 1];
        rows[at + x] = sum;
      }
    }
    for (let at = 0; at < area; at++) {
      let sum = rows[at];
      if (at >= nx) sum += rows[at - nx];
      if (at + nx < area) sum += rows[at + nx];
      sums[at] = sum;
    }
  };
  sumSlice(0);
  for (let z = 0; z < nz; z++) {
    if (z + 1 < nz) sumSlice(z + 1);
    const below = z > 0 ? slices[(z - 1) % 3] : empty;
    const above = z + 1 < nz ? slices[(z + 1) % 3] : empty;
    const same = slices[z % 3];
    const start = z * area;
    for (let i = 0; i < area; i++) {
      const laplace = 27 * values[start + i] - (below[i] + same[i] + above[i]);
      out[start + i] = laplace > 0 ? Math.min(laplace, 1) : 0;
    }
  }
}
