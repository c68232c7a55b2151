import type { Runtime } from '../runtime/runtime.js';
import { sameGrid } from '../volume/affine.js';
import { axcodesOf, axisMap, mapGridAxes, orientationOf } from '../volume/orientation.js';
import type { Grid, Volume } from '../volume/volume.js';
import { reorientTask } from './orient.js';

/**
 * A volume with its voxel axes in the order and direction of a grid, if that brings it onto the grid: voxels
 * keep their positions in mm. Any other volume is returned unchanged. The history does not change.
 */
export async function alignAxes(volume: Volume, grid: Grid, runtime: Runtime): Promise<Volume> {
  if (sameGrid(volume, grid)) return volume;
  const target = orientationOf(grid.affine);
  const turned = mapGridAxes(volume, axisMap(orientationOf(volume.affine), target));
  if (!sameGrid(turned, grid)) return volume;
  const aligned = await runtime.run(reorientTask, volume, target);
  return { ...aligned, history: volume.history };
}

/** What `alignAxes` did to a volume, for the user. */
export function alignmentNote(key: string, from: Grid, to: Grid): string {
  return (
    `The ${key} is stored as ${axcodesOf(from.affine)} and the image as ${axcodesOf(to.affine)}, at the same ` +
    `positions; the ${key} was brought to the orientation of the image.`
  );
}
