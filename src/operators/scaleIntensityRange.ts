import { z } from 'zod';
import { intensity, keysType } from '../optionTypes.js';
import { task } from '../runtime/task.js';
import { scaleIntensityRange as kernel } from '../volume/intensity.js';
import { operator } from './define.js';
import { foreseeFloats } from './forecast.js';
import { mapVolumes } from './map.js';

export const scaleIntensityRangeTask = task(new URL('../volume/intensity.js', import.meta.url), kernel);

/**
 * Maps intensities linearly from `aMin`..`aMax` to `bMin`..`bMax`; the result is float32. With `clip`, values
 * outside `bMin`..`bMax` are clipped.
 *
 * Mirrors MONAI's `ScaleIntensityRanged`.
 *
 * @throws OptionError when built, if `aMin` is above `aMax` or only one of `bMin` and `bMax` is given.
 */
export const scaleIntensityRange = operator({
  name: 'scaleIntensityRange',
  summary: 'Maps intensities linearly from aMin..aMax to bMin..bMax.',
  mirrors: 'ScaleIntensityRanged',
  options: {
    aMin: intensity.describe('Intensity (HU for CT) that is mapped to bMin'),
    aMax: intensity.describe('Intensity that is mapped to bMax'),
    bMin: intensity
      .optional()
      .describe('Lower end of the new range. Default, if bMax is not given either: 0'),
    bMax: intensity
      .optional()
      .describe('Upper end of the new range. Default, if bMin is not given either: 1'),
    clip: z.boolean().default(false).describe('Clip values outside bMin..bMax'),
    keys: keysType('image'),
  },
  check: ({ aMin, aMax, bMin, bMax }) => [
    ...(aMin > aMax ? [`aMin must not be above aMax, but they are ${aMin} and ${aMax}`] : []),
    ...((bMin === undefined) !== (bMax === undefined)
      ? ['bMin and bMax must be given together or not at all']
      : []),
  ],
  example: { aMin: -57, aMax: 164, bMin: 0, bMax: 1, clip: true },
  forecast: ({ keys }) => foreseeFloats(keys, ['image'], 'image'),
  create: ({ keys, clip, ...range }, context) =>
    mapVolumes(context, 'cpu', keys, ['image'], (volume) =>
      context.runtime.run(scaleIntensityRangeTask, volume, { ...range, clip: clip }),
    ),
});
