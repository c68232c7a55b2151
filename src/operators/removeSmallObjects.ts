import { z } from 'zod';
import { connectivity, keysType } from '../optionTypes.js';
import { task } from '../runtime/task.js';
import { removeSmallObjects as kernel } from '../volume/islands.js';
import { operator } from './define.js';
import { foreseeCleaning } from './forecast.js';
import { mapVolumes } from './map.js';

const removeSmallObjectsTask = task(new URL('../volume/islands.js', import.meta.url), kernel);

/**
 * Sets objects of fewer than `minSize` voxels (mm³ with `byMeasure`) to 0. In a mask, an object is a
 * connected component. A map whose only label is 1 is a mask, and so is each channel of several.
 *
 * As in MONAI and scikit-image, a map with labels above 1 counts as already numbered objects: a label is
 * removed if it has fewer than `minSize` voxels in total. To remove the islands of such a map, set
 * `independentChannels` to false, so that an object is a component of the union of all labels, or use
 * `keepLargestComponent`.
 *
 * Mirrors MONAI 1.3.2's `RemoveSmallObjectsd`, with two differences: channels never touch each other (MONAI
 * joins neighbouring channels of masks that overlap), and the voxel size always comes from the affine.
 */
export const removeSmallObjects = operator({
  name: 'removeSmallObjects',
  summary: 'Sets connected components smaller than minSize voxels, or mm³, to 0.',
  mirrors:
    'RemoveSmallObjectsd, except that channels never touch each other and pixdim comes from the affine',
  options: {
    minSize: z
      .number()
      .min(0)
      .max(1e12)
      .default(64)
      .describe('Size of the smallest object to keep, in voxels (or mm³)'),
    connectivity: connectivity
      .default(1)
      .describe('Neighbouring voxels share a face (1), an edge (2) or a corner (3)'),
    independentChannels: z
      .boolean()
      .default(true)
      .describe('Treat each mask separately instead of the union of all labels'),
    byMeasure: z.boolean().default(false).describe('minSize is a volume in mm³'),
    keys: keysType('pred'),
  },
  example: { minSize: 100 },
  forecast: ({ keys }) => foreseeCleaning(keys, ['pred']),
  create: ({ keys, ...options }, context) =>
    mapVolumes(context, 'cpu', keys, ['pred'], (volume) =>
      context.runtime.run(removeSmallObjectsTask, volume, {
        minSize: options.minSize,
        connectivity: options.connectivity,
        independentChannels: options.independentChannels,
        byMeasure: options.byMeasure,
      }),
    ),
});
