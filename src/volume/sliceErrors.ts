import type { Vec3, VoxelArray } from './volume.js';

/**
 * Per label, how many voxels of each slice are wrong: those that only one of two masks of the same size gives
 * the label. Label 0 is left out. With one mask, every voxel of a label counts.
 *
 * @param axis The axis across the slices: 0, 1 or 2 for x, y or z.
 * @returns By label, a count per slice. Labels without wrong voxels are left out.
 */
export function sliceErrors(
  mask: VoxelArray,
  other: VoxelArray | undefined,
  [nx, ny, nz]: Vec3,
  axis: number,
): Map<number, Uint32Array> {
  const errors = new Map<number, Uint32Array>();
  const slices = [nx, ny, nz][axis];
  const note = (label: number, slice: number) => {
    if (label === 0) return;
    let counts = errors.get(label);
    if (!counts) errors.set(label, (counts = new Uint32Array(slices)));
    counts[slice]++;
  };
  for (let z = 0, i = 0; z < nz; z++) {
    for (let y = 0; y < ny; y++) {
      for (let x = 0; x < nx; x++, i++) {
        const a = mask[i];
        const b = other ? other[i] : 0;
        if (a === b) continue;
        const slice = axis === 2 ? z : axis === 1 ? y : x;
        note(a, slice);
        note(b, slice);
      }
    }
  }
  return errors;
}
