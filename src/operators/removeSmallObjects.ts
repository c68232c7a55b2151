import { z } from 'zod';
import { connectivity, keysType } from '../optionTypes.js';
import { task } from '../runtime/task.js';
import { removeSmallObjects as kernel } from '../volume/islands.js';
import { operator } from './define.js';
import { foreseeCleaning } from './forecast.js';
import { mapVolumes } from './map.js';

const removeSmallObjectsTask = task(new URL('../volume/islands.js', import.meta.url), kernel);

/**
 * Removes objects of fewer than `minSize` voxels (mm³ with `byMeasure`): their voxels become 0. An object is a connected
 * component of a mask, that is of a map whose only label is 1 or of each channel of several.
 *
 * A map with labels above 1 is taken as MONAI and scikit-image take it, as objects that are numbered already: a label
 * goes when it has fewer than `minSize` voxels in all. To remove the islands of such a map, set `independentChannels` to
 * false, where an object is a component of the union of all labels, or use `keepLargestComponent`.
 *
 * Mirrors MONAI 1.3.2's `RemoveSmallObjectsd`, with two differences: channels never touch each other (MONAI joins
 * neighbouring channels of masks that overlap), and the voxel size is always the affine's.
 */
export const removeSmallObjects = operator({
  name: 'removeSmallObjects',
  summary: 'Sets connected components of fewer than minSize voxels, or mm³, to 0.',
  mirrors: 'RemoveSmallObjectsd, except that channels never touch each other; pixdim is that of the affine',
  options: {
    minSize: z.number().min(0).default(64).describe('Smallest object to keep, in voxels (or mm³)'),
    connectivity: connectivity
      .default(1)
      .describe('Neighbours share a face (1), an edge (2) or a corner (3)'),
    independentChannels: z
      .boolean()
      .default(true)
      .describe('Treat masks by themselves, not the union of all labels'),
    byMeasure: z.boolean().default(false).describe('minSize is in mm³'),
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
