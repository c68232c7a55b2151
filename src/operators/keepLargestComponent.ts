import { z } from 'zod';
import { connectivity, keysType, labelNumbers } from '../optionTypes.js';
import { task } from '../runtime/task.js';
import { keepLargestComponent as kernel } from '../volume/islands.js';
import { operator } from './define.js';
import { foreseeCleaning } from './forecast.js';
import { mapVolumes } from './map.js';

const keepLargestComponentTask = task(new URL('../volume/islands.js', import.meta.url), kernel);

/**
 * Keeps the largest connected component of each label, or the `numComponents` largest, and sets the label's
 * other voxels to 0. Sizes are in voxels. Among components of equal size, the one whose first voxel comes
 * last is kept, or with `keepTies` all of them.
 *
 * Mirrors MONAI 1.3.2's `KeepLargestConnectedComponentd`: one channel is a label map; several channels hold
 * one mask each (`is_onehot`), and channel 0 is kept unchanged unless `appliedLabels` names it.
 */
export const keepLargestComponent = operator({
  name: 'keepLargestComponent',
  summary: 'Keeps the largest connected component of each label and sets the rest to 0.',
  mirrors: 'KeepLargestConnectedComponentd; is_onehot is derived from the number of channels',
  options: {
    appliedLabels: labelNumbers.optional().describe('Labels to clean. Default: all but 0'),
    independent: z
      .boolean()
      .default(true)
      .describe('Clean each label separately instead of the union of all labels'),
    connectivity: connectivity
      .default(3)
      .describe('Neighbouring voxels share a face (1), an edge (2) or a corner (3)'),
    numComponents: z
      .int()
      .min(1)
      .max(2 ** 31)
      .default(1)
      .describe('Number of components to keep'),
    keepTies: z
      .boolean()
      .default(false)
      .describe('Also keep components that are as large as the smallest one that is kept, as nnU-Net does'),
    keepFirst: z
      .boolean()
      .default(false)
      .describe('Of components of equal size, keep the one that SciPy numbers first'),
    keys: keysType('pred'),
  },
  example: { appliedLabels: [1] },
  forecast: ({ keys }) => foreseeCleaning(keys, ['pred']),
  create: ({ keys, appliedLabels, independent, connectivity, numComponents, keepTies, keepFirst }, context) =>
    mapVolumes(context, 'cpu', keys, ['pred'], (volume) =>
      context.runtime.run(keepLargestComponentTask, volume, {
        appliedLabels: appliedLabels as readonly number[] | undefined,
        independent,
        connectivity,
        numComponents,
        keepTies,
        keepFirst,
      }),
    ),
});
