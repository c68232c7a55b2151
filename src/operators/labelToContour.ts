import { keysType } from '../optionTypes.js';
import { task } from '../runtime/task.js';
import { labelToContour as kernel } from '../volume/contour.js';
import { operator } from './define.js';
import { foreseeVolumes } from './forecast.js';
import { mapVolumes } from './map.js';

const labelToContourTask = task(new URL('../volume/contour.js', import.meta.url), kernel);

/**
 * Replaces masks with their contours: voxels that exceed the mean of their 26 neighbours become 1, all others
 * 0. Voxels outside the volume count as 0. Each channel has its own contours; where labels touch in one
 * channel, only the larger number has one.
 *
 * Mirrors MONAI's `LabelToContourd`.
 */
export const labelToContour = operator({
  name: 'labelToContour',
  summary: 'Replaces masks with their contours.',
  mirrors: 'LabelToContourd',
  options: { keys: keysType('pred') },
  example: { keys: 'pred' },
  forecast: ({ keys }) =>
    foreseeVolumes(keys, ['pred'], (volume) => ({
      ...volume,
      bytesPerVoxel: volume.kind === 'label' ? 1 : 4,
    })),
  create: ({ keys }, context) =>
    mapVolumes(context, 'cpu', keys, ['pred'], (volume) => context.runtime.run(labelToContourTask, volume)),
});
