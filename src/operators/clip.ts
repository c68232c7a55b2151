import { z } from 'zod';
import { intensity, keysType } from '../optionTypes.js';
import { task } from '../runtime/task.js';
import { clip as kernel } from '../volume/clip.js';
import { operator } from './define.js';
import { foreseeFloats } from './forecast.js';
import { mapVolumes } from './map.js';

const clipTask = task(new URL('../volume/clip.js', import.meta.url), kernel);

const percent = z.number().min(0).max(100).optional();

/**
 * Limits intensities: values below the range become its lower end, and values above it its upper end. Each
 * end is a value (`min`, `max`) or a percentile of the volume (`lower`, `upper`). The result is float32. To
 * scale as well, use `scaleIntensityRange` or `scaleIntensityRangePercentiles` with `clip: true`.
 *
 * Mirrors NumPy's `clip`, and MONAI's `ClipIntensityPercentilesd` with hard limits.
 *
 * @throws OptionError when built, if no end is given, or one is given twice.
 */
export const clip = operator({
  name: 'clip',
  summary: 'Limits intensities to a range of values or percentiles.',
  mirrors: "NumPy's clip, and MONAI's ClipIntensityPercentilesd with hard limits",
  options: {
    min: intensity.optional().describe('Smallest intensity (HU for CT)'),
    max: intensity.optional().describe('Largest intensity'),
    lower: percent.describe('Smallest intensity as a percentile of the volume, 0 to 100, instead of min'),
    upper: percent.describe('Largest intensity as a percentile of the volume, 0 to 100, instead of max'),
    channelWise: z.boolean().default(false).describe('Compute the percentiles of each channel separately'),
    keys: keysType('image'),
  },
  check: ({ min, max, lower, upper }) => [
    ...([min, max, lower, upper].every((end) => end === undefined)
      ? ['min, max, lower or upper must be given']
      : []),
    ...(min !== undefined && lower !== undefined ? ['min and lower must not be given together'] : []),
    ...(max !== undefined && upper !== undefined ? ['max and upper must not be given together'] : []),
    ...((min ?? Number.NEGATIVE_INFINITY) > (max ?? Number.POSITIVE_INFINITY)
      ? [`min must not be above max, but they are ${min} and ${max}`]
      : []),
    ...((lower ?? 0) > (upper ?? 100)
      ? [`lower must not be above upper, but they are ${lower} and ${upper}`]
      : []),
  ],
  example: { min: -1000, max: 1000 },
  forecast: ({ keys }) => foreseeFloats(keys, ['image'], 'image'),
  create: ({ keys, ...settings }, context) =>
    mapVolumes(context, 'cpu', keys, ['image'], (volume) => context.runtime.run(clipTask, volume, settings)),
});
