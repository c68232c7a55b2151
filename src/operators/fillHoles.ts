import { connectivity, keysType, labelNumbers } from '../optionTypes.js';
import { task } from '../runtime/task.js';
import { fillHoles as kernel } from '../volume/fillHoles.js';
import { operator } from './define.js';
import { foreseeCleaning } from './forecast.js';
import { mapVolumes } from './map.js';

const fillHolesTask = task(new URL('../volume/fillHoles.js', import.meta.url), kernel);

/**
 * Fills the holes of labels in three dimensions: whatever a label encloses, other labels included, becomes that label.
 * What reaches the volume's border is no hole. Labels are filled in ascending order.
 *
 * Mirrors MONAI's `FillHolesd`: a volume of one channel is a label map, one of several holds a mask per channel, where
 * channel 0 is left alone.
 */
export const fillHoles = operator({
  name: 'fillHoles',
  summary: 'Fills what a label encloses with that label.',
  mirrors: 'FillHolesd',
  options: {
    appliedLabels: labelNumbers.optional().describe('Labels to fill, by number. Default: all but 0'),
    connectivity: connectivity
      .default(3)
      .describe('A hole leaks through a face (1), through an edge too (2), or through a corner too (3)'),
    keys: keysType('pred'),
  },
  example: { appliedLabels: [1] },
  forecast: ({ keys }) => foreseeCleaning(keys, ['pred']),
  create: ({ keys, appliedLabels, connectivity }, context) =>
    mapVolumes(context, 'cpu', keys, ['pred'], (volume) =>
      context.runtime.run(
        fillHolesTask,
        volume,
        appliedLabels as readonly number[] | undefined,
        connectivity,
      ),
    ),
});
