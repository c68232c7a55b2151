import { z } from 'zod';
import { intensity, keysType } from '../optionTypes.js';
import { task } from '../runtime/task.js';
import { rescale } from '../volume/rescale.js';
import { operator } from './define.js';
import { foreseeFloats } from './forecast.js';
import { mapVolumes } from './map.js';

const rescaleTask = task(new URL('../volume/rescale.js', import.meta.url), rescale);

/**
 * Maps the smallest intensity to `minv` and the largest to `maxv`, linearly. With `minv` and `maxv` null, it
 * multiplies by 1 + `factor` instead. The result is float32. A constant volume becomes its value times
 * `minv`.
 *
 * Mirrors MONAI's `ScaleIntensityd`, which ignores `factor` unless `minv` and `maxv` are `None`.
 *
 * @throws OptionError when built, if `factor` is given with `minv` or `maxv`.
 */
export const scaleIntensity = operator({
  name: 'scaleIntensity',
  summary: "Maps each volume's smallest and largest intensity to minv and maxv.",
  mirrors: 'ScaleIntensityd; factor is refused where MONAI ignores it',
  options: {
    minv: intensity.nullable().default(0).describe('The smallest intensity of the result'),
    maxv: intensity
      .nullable()
      .default(1)
      .describe(
        'The largest intensity of the result. If only one of minv and maxv is null, the range is 0..1',
      ),
    factor: intensity.optional().describe('With minv and maxv null: multiply by 1 plus this number instead'),
    channelWise: z.boolean().default(false).describe('Scale each channel separately'),
    keys: keysType('image'),
  },
  check: ({ minv, maxv, factor }) =>
    factor !== undefined && (minv !== null || maxv !== null)
      ? ['factor has an effect only if minv and maxv are both null']
      : [],
  example: { minv: 0, maxv: 1 },
  forecast: ({ keys }) => foreseeFloats(keys, ['image'], 'image'),
  create: ({ keys, ...options }, context) =>
    mapVolumes(context, 'cpu', keys, ['image'], (volume) =>
      context.runtime.run(rescaleTask, volume, options),
    ),
});
