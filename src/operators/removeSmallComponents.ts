import { z } from 'zod';
import { connectivity, keysType, labelNumbers } from '../optionTypes.js';
import { task } from '../runtime/task.js';
import { removeSmallComponents as kernel } from '../volume/islands.js';
import { operator } from './define.js';
import { foreseeCleaning } from './forecast.js';
import { mapVolumes } from './map.js';

const removeSmallComponentsTask = task(new URL('../volume/islands.js', import.meta.url), kernel);

/**
 * Sets the connected components of each label to 0 that take up at most `maxVolume` mm³. Labels are cleaned
 * one by one: components of different labels that touch are not joined. The volume of a voxel is the product
 * of the voxel sizes, rounded to float32.
 *
 * This is TotalSegmentator's `remove_small_blobs`. `removeSmallObjects` follows MONAI, which counts each
 * label of a map with several as one object.
 */
export const removeSmallComponents = operator({
  name: 'removeSmallComponents',
  summary: 'Sets connected components of single labels to 0 up to a volume in mm³.',
  options: {
    maxVolume: z.number().min(0).max(1e12).default(200).describe('The largest volume to remove, in mm³'),
    appliedLabels: labelNumbers.optional().describe('Labels to clean. Default: all but 0'),
    connectivity: connectivity
      .default(1)
      .describe('Neighbouring voxels share a face (1), an edge (2) or a corner (3)'),
    keys: keysType('pred'),
  },
  example: { maxVolume: 200 },
  forecast: ({ keys }) => foreseeCleaning(keys, ['pred']),
  create: ({ keys, maxVolume, appliedLabels, connectivity: neighbours }, context) =>
    mapVolumes(context, 'cpu', keys, ['pred'], (volume) =>
      context.runtime.run(
        removeSmallComponentsTask,
        volume,
        maxVolume,
        appliedLabels as readonly number[] | undefined,
        neighbours,
      ),
    ),
});
