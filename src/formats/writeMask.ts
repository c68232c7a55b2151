import { findRegions, labelIn, maskOf } from '../volume/regions.js';
import type { Volume, VoxelType } from '../volume/volume.js';
import { writeNifti } from './writeNifti.js';

/** The labels other than 0 that occur in a label map of one channel, in ascending order. */
export function occurringLabels({ data, size }: Volume): number[] {
  return [...findRegions(data, size).keys()].filter((label) => label !== 0);
}

/**
 * Writes the mask of one label as NIfTI, 1 in the label and 0 elsewhere; see `writeNifti`. In a volume of
 * several channels, the label is a channel.
 */
export async function writeMask(
  file: string,
  volume: Volume,
  label: number,
  dtype: 'auto' | VoxelType,
): Promise<void> {
  const { size } = volume;
  const whole = { start: [0, 0, 0], size } as const;
  const data = maskOf([labelIn(volume, label, whole)], size, whole);
  await writeNifti(file, { ...volume, data, channels: 1, kind: 'label' }, { dtype });
}
