import { spacingOf } from './affine.js';
import type { Triple, Vec3, Volume } from './volume.js';

/**
 * The voxel size in mm along each axis as the file states it. In NIfTI files that is pixdim, which differs
 * from the lengths in the affine by rounding (and, in careless files, by more); ITK and nnU-Net go by it. For
 * other files, and after a resampling, it is that of the affine.
 */
export function statedSpacing({
  affine,
  origin,
  history,
}: Pick<Volume, 'affine' | 'origin' | 'history'>): Vec3 {
  let spacing = origin?.nifti?.pixdim;
  if (!spacing) return spacingOf(affine);
  for (const step of history) {
    const before = spacing;
    if (step.step === 'orient') spacing = step.axes.map((axis) => before[axis]) as Triple;
    else if (step.step !== 'cropOrPad') return spacingOf(affine);
  }
  return spacing;
}
