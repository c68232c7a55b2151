import { z } from 'zod';
import { connectivity, keysType, labelNumbers } from '../optionTypes.js';
import { task } from '../runtime/task.js';
import { keepLargestComponent as kernel } from '../volume/islands.js';
import { operator } from './define.js';
import { foreseeCleaning } from './forecast.js';
import { mapVolumes } from './map.js';

const keepLargestComponentTask = task(new URL('../volume/islands.js', import.meta.url), kernel);

/**
 * Keeps the largest connected component of each label, or the `numComponents` largest, and sets the label's other
 * voxels to 0. Sizes are counted in voxels. Of components of equal size the one that begins last is kept.
 *
 * Mirrors MONAI 1.3.2's `KeepLargestConnectedComponentd`: a volume of one channel is a label map, one of several holds
 * a mask per channel (`is_onehot`), where channel 0 is left alone unless `appliedLabels` names it.
 */
export const keepLargestComponent = operator({
  name: 'keepLargestComponent',
  summary: 'Keeps the largest connected component of each label and sets the rest to 0.',
  mirrors: 'KeepLargestConnectedComponentd; is_onehot follows from the number of channels',
  options: {
    appliedLabels: labelNumbers.optional().describe('Labels to clean, by number. Default: all but 0'),
    independent: z.boolean().default(true).describe('Clean each label by itself, not their union'),
    connectivity: connectivity
      .default(3)
      .describe('Neighbours share a face (1), an edge (2) or a corner (3)'),
    numComponents: z.int().min(1).default(1).describe('How many components to keep'),
    keys: keysType('pred'),
  },
  example: { appliedLabels: [1] },
  forecast: ({ keys }) => foreseeCleaning(keys, ['pred']),
  create: ({ keys, appliedLabels, independent, connectivity, numComponents }, context) =>
    mapVolumes(context, 'cpu', keys, ['pred'], (volume) =>
      context.runtime.run(keepLargestComponentTask, volume, {
        appliedLabels: appliedLabels as readonly number[] | undefined,
        independent,
        connectivity,
        numComponents,
      }),
    ),
});
