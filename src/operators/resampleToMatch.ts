import { z } from 'zod';
import { chooseKeys, volumeOf, withVolumes } from '../case.js';
import { byKey, forKey, keysType } from '../optionTypes.js';
import { task } from '../runtime/task.js';
import { resampleTo } from '../volume/resample.js';
import type { Volume } from '../volume/volume.js';
import { operator } from './define.js';
import { foreseeVolumes, resampledForecast } from './forecast.js';
import { mapCase } from './map.js';

const resampleToTask = task(new URL('../volume/resample.js', import.meta.url), resampleTo);

const interpolation = z.enum(['bilinear', 'nearest']);

/**
 * Resamples volumes to the size and affine of `keyDst`. Every structure keeps its position in mm. Images are
 * interpolated (trilinear, float32); labels use nearest neighbour. A volume that is already on that grid,
 * within 0.001 mm or 1 % of a voxel, whichever is smaller, is returned unchanged.
 *
 * Mirrors MONAI's `ResampleToMatchd`.
 *
 * @throws DataError, on the stream, if a volume is missing.
 */
export const resampleToMatch = operator({
  name: 'resampleToMatch',
  summary: 'Resamples volumes to the grid of another volume.',
  mirrors: 'ResampleToMatchd',
  options: {
    keyDst: z.string().min(1).default('label').describe('The volume whose grid is used'),
    mode: byKey(interpolation)
      .optional()
      .describe('bilinear or nearest, or a map by key. Default: nearest for labels, bilinear for the rest'),
    paddingMode: z.enum(['border', 'zeros']).default('border').describe('Values outside the volume'),
    keys: keysType('pred'),
  },
  example: { keyDst: 'label', paddingMode: 'zeros' },
  forecast: ({ keyDst, mode, paddingMode: padding, keys }) =>
    foreseeVolumes(keys, ['pred'], (volume, key, { volumes }) => {
      const chosen = forKey(mode, key) ?? (volume.kind === 'label' ? 'nearest' : 'bilinear');
      const grid = volumes[keyDst];
      return grid ? resampledForecast(volume, grid, { mode: chosen, padding }) : volume;
    }),
  create: ({ keyDst, mode, paddingMode, keys }, context) =>
    mapCase(context, 'cpu', async (subject) => {
      const { size, affine } = volumeOf(subject, keyDst);
      const made: Record<string, Volume> = {};
      for (const key of chooseKeys(subject, keys, ['pred'])) {
        const volume = volumeOf(subject, key);
        const chosen = forKey(mode, key) ?? (volume.kind === 'label' ? 'nearest' : 'bilinear');
        made[key] = await context.runtime.run(resampleToTask, volume, { size, affine }, chosen, paddingMode);
      }
      return withVolumes(subject, made);
    }),
});
