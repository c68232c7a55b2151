import { z } from 'zod';
import { chooseKeys, volumeOf, withVolumes } from '../case.js';
import { DataError } from '../errors.js';
import { intensity, keysType } from '../optionTypes.js';
import { task } from '../runtime/task.js';
import { histogramNormalize as kernel } from '../volume/histogram.js';
import type { Volume } from '../volume/volume.js';
import { operator } from './define.js';
import { bytesOf, foreseeVolumes } from './forecast.js';
import { mapCase } from './map.js';

const histogramNormalizeTask = task(new URL('../volume/histogram.js', import.meta.url), kernel);

/**
 * Equalizes the histogram: each intensity becomes the share of voxels below it, scaled to `min`..`max`. The
 * result is float32.
 *
 * Mirrors MONAI's `HistogramNormalized`.
 *
 * @throws DataError, on the stream, if no voxel is counted, a voxel is not finite, or the mask has another
 * size.
 */
export const histogramNormalize = operator({
  name: 'histogramNormalize',
  summary: 'Equalizes the histogram of intensities.',
  mirrors: 'HistogramNormalized; the mask is a volume of the case',
  options: {
    numBins: z.int().min(2).max(1_000_000).default(256).describe('The number of bins of the histogram'),
    min: intensity.default(0).describe('The smallest intensity of the result'),
    max: intensity.default(255).describe('The largest intensity of the result'),
    maskKey: z
      .string()
      .min(1)
      .optional()
      .describe('A volume: only voxels where it is not 0 are counted. Default: all voxels'),
    keys: keysType('image'),
  },
  example: { numBins: 256, min: 0, max: 255 },
  forecast: ({ keys }) =>
    foreseeVolumes(
      keys,
      ['image'],
      (volume) => ({ ...volume, bytesPerVoxel: 4, kind: 'image' }),
      // A copy of the counted voxels.
      (volume) => bytesOf({ ...volume, bytesPerVoxel: 4 }),
    ),
  create: ({ keys, maskKey, ...settings }, context) =>
    mapCase(context, 'cpu', async (subject) => {
      const mask = maskKey === undefined ? undefined : volumeOf(subject, maskKey);
      const made: Record<string, Volume> = {};
      for (const key of chooseKeys(subject, keys, ['image'])) {
        const volume = volumeOf(subject, key);
        if (mask && !fits(mask, volume)) {
          throw new DataError(
            `histogramNormalize: the mask ${maskKey} has ${mask.size.join(' x ')} voxels and ${mask.channels} ` +
              `channel(s), but ${key} has ${volume.size.join(' x ')} and ${volume.channels}. The mask needs the ` +
              'same size, and one channel or as many.',
          );
        }
        made[key] = await context.runtime.run(histogramNormalizeTask, volume, mask, settings);
      }
      return withVolumes(subject, made);
    }),
});

function fits(mask: Volume, { size, channels }: Volume): boolean {
  return (
    mask.size.every((n, axis) => n === size[axis]) && (mask.channels === 1 || mask.channels === channels)
  );
}
