import { z } from 'zod';
import { keysType } from '../optionTypes.js';
import { task } from '../runtime/task.js';
import { mapLabels as kernel } from '../volume/mapLabels.js';
import { operator } from './define.js';
import { foreseeVolumes } from './forecast.js';
import { mapVolumes } from './map.js';

const mapLabelsTask = task(new URL('../volume/mapLabels.js', import.meta.url), kernel);

/**
 * Replaces labels with others, all at once: `{ 1: 2, 2: 1 }` swaps two labels. Labels that `map` does not
 * name stay. The voxel type stays if it can hold the new labels; otherwise the smallest type that can is
 * used. Label names move with their labels. If labels with different names are merged, the new label has no
 * name.
 *
 * Mirrors MONAI's `MapLabelValued` for integers. MONAI returns float32 by default.
 *
 * @throws OptionError when built, if `map` contains anything but integers.
 */
export const mapLabels = operator({
  name: 'mapLabels',
  summary: 'Replaces labels with other labels, all at once.',
  mirrors: 'MapLabelValued, for integers only; keeps the voxel type if it can hold the new labels',
  options: {
    map: z
      .record(
        z.string().regex(/^-?\d+$/, 'whole numbers as labels'),
        z
          .int()
          .min(-(2 ** 31))
          .max(2 ** 32 - 1),
      )
      .describe('The new label for each old label; other labels stay'),
    keys: keysType('pred'),
  },
  example: { map: { 1: 7, 2: 3 } },
  forecast: ({ map, keys }) => {
    const largest = Math.max(...Object.values(map));
    const bytes = largest < 2 ** 8 ? 1 : largest < 2 ** 16 ? 2 : 4;
    return foreseeVolumes(keys, ['pred'], (volume) => ({
      ...volume,
      bytesPerVoxel: Math.max(volume.bytesPerVoxel, bytes),
    }));
  },
  create: ({ keys, map }, context) =>
    mapVolumes(context, 'cpu', keys, ['pred'], (volume) => context.runtime.run(mapLabelsTask, volume, map)),
});
