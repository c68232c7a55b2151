import { connectivity, keysType, labelNumbers } from '../optionTypes.js';
import { task } from '../runtime/task.js';
import { fillHoles as kernel } from '../volume/fillHoles.js';
import { operator } from './define.js';
import { foreseeCleaning } from './forecast.js';
import { mapVolumes } from './map.js';

const fillHolesTask = task(new URL('../volume/fillHoles.js', import.meta.url), kernel);

/**
 * Fills the holes of labels in 3D. Everything that a label encloses becomes that label, other labels
 * included. A region that reaches the volume's border is not a hole. Labels are filled in ascending order.
 *
 * Mirrors MONAI's `FillHolesd`: one channel is a label map; several channels hold one mask each, and channel
 * 0 is never filled.
 */
export const fillHoles = operator({
  name: 'fillHoles',
  summary: 'Fills the holes of labels.',
  mirrors: 'FillHolesd',
  options: {
    appliedLabels: labelNumbers.optional().describe('Labels to fill. Default: all but 0'),
    connectivity: connectivity
      .default(3)
      .describe(
        'What opens a hole to the outside: a face (1), a face or edge (2), or a face, edge or corner (3)',
      ),
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
