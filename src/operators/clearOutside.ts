import { z } from 'zod';
import { chooseKeys, volumeOf, withVolumes } from '../case.js';
import { DataError } from '../errors.js';
import { distance, keysType } from '../optionTypes.js';
import { task } from '../runtime/task.js';
import { sameGrid } from '../volume/affine.js';
import { headerSpacing } from '../volume/cornerZoom.js';
import { clearOutside as kernel } from '../volume/morphology.js';
import type { Volume } from '../volume/volume.js';
import { operator } from './define.js';
import { foreseeCleaning } from './forecast.js';
import { mapCase } from './map.js';

const clearOutsideTask = task(new URL('../volume/morphology.js', import.meta.url), kernel);

/**
 * Sets labels to 0 that are not near a mask: inside of it, or at most `dilation` mm away in steps across
 * faces of voxels. The number of steps is `dilation` divided by the mean voxel size, cut off to a whole
 * number.
 *
 * TotalSegmentator's `remove_outside`: where that number is 0, nothing is removed.
 *
 * @throws DataError, on the stream, if a label map is not on the grid of the mask.
 */
export const clearOutside = operator({
  name: 'clearOutside',
  summary: 'Sets labels that are not near a mask to 0.',
  options: {
    mask: z.string().min(1).describe('The mask: voxels that are not 0'),
    dilation: distance.describe('How far outside the mask labels may lie, in mm'),
    keys: keysType('pred'),
  },
  example: { mask: 'heart', dilation: 10 },
  forecast: ({ keys }) => foreseeCleaning(keys, ['pred']),
  create: ({ mask: maskKey, dilation, keys }, context) =>
    mapCase(context, 'cpu', async (subject) => {
      const mask = volumeOf(subject, maskKey);
      const spacing = headerSpacing(mask);
      const steps = Math.trunc(dilation / (spacing.reduce((sum, length) => sum + length) / 3));
      if (steps === 0) return subject;
      const made: Record<string, Volume> = {};
      for (const key of chooseKeys(subject, keys, ['pred'])) {
        const volume = volumeOf(subject, key);
        if (!sameGrid(volume, mask)) {
          throw new DataError(
            `clearOutside: ${key} (${volume.size.join(' x ')} voxels) of case ${subject.id} is not on the grid of ` +
              `${maskKey} (${mask.size.join(' x ')}). Return it to that grid first, e.g. with invert.`,
          );
        }
        made[key] = await context.runtime.run(clearOutsideTask, volume, mask, steps);
      }
      return withVolumes(subject, made);
    }),
});
