import { type Connectivity, connectedComponents, enclosedComponents, paintComponents } from './components.js';
import { labelsOf, maskOf } from './regions.js';
import { copyVoxels, type Volume } from './volume.js';

/**
 * Assigns to each label the voxels that it encloses, other labels included; MONAI's `FillHoles`. Enclosed are
 * those that are not connected to the volume's border; `connectivity` says which voxels are neighbours.
 * Labels are filled one after the other, the smallest number first.
 */
export function fillHoles(
  volume: Volume,
  appliedLabels: readonly number[] | undefined,
  connectivity: Connectivity,
): Volume {
  const { size } = volume;
  const result = { ...volume, data: copyVoxels(volume.data) };
  const numbers = appliedLabels?.filter((label) => label !== 0);
  for (const labelVoxels of labelsOf(result, numbers)) {
    // Outside the label's box nothing is enclosed, so reaching a face of the box is reaching the border.
    const { data, label, box } = labelVoxels;
    const rest = maskOf([labelVoxels], size, box);
    for (let i = 0; i < rest.length; i++) rest[i] ^= 1;
    const components = connectedComponents(rest, box.size, connectivity);
    paintComponents(components, enclosedComponents(components, box.size), label ?? 1, box, size, data);
  }
  return result;
}
