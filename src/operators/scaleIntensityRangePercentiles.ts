import { z } from 'zod';
import { intensity, keysType } from '../optionTypes.js';
import { task } from '../runtime/task.js';
import { scaleIntensityRangePercentiles as kernel } from '../volume/percentiles.js';
import { operator } from './define.js';
import { foreseeFloats } from './forecast.js';
import { mapVolumes } from './map.js';

const percentilesTask = task(new URL('../volume/percentiles.js', import.meta.url), kernel);

const percent = z.number().min(0).max(100);

/**
 * Maps the intensities between the percentiles `lower` and `upper` linearly to `bMin`..`bMax`; the result is
 * float32. This suits MR images, whose intensities have no unit. With `clip`, values outside `bMin`..`bMax`
 * are clipped. If both percentiles are equal, the intensities are only shifted, so that this value becomes
 * `bMin`.
 *
 * Mirrors MONAI's `ScaleIntensityRangePercentilesd`.
 *
 * @throws OptionError when built, if `lower` is above `upper`, or `relative` or `clip` lack `bMin` and
 * `bMax`.
 */
export const scaleIntensityRangePercentiles = operator({
  name: 'scaleIntensityRangePercentiles',
  summary: 'Maps the intensities between two percentiles linearly to bMin..bMax.',
  mirrors: 'ScaleIntensityRangePercentilesd',
  options: {
    lower: percent.describe('The percentile (0 to 100) that is mapped to bMin'),
    upper: percent.describe('The percentile (0 to 100) that is mapped to bMax'),
    bMin: intensity.nullish().describe('Lower end of the new range. Default, if bMax is not given either: 0'),
    bMax: intensity.nullish().describe('Upper end of the new range. Default, if bMin is not given either: 1'),
    clip: z.boolean().default(false).describe('Clip values outside bMin..bMax'),
    relative: z
      .boolean()
      .default(false)
      .describe('Map lower and upper to the same percentages of bMin..bMax instead of its ends'),
    channelWise: z.boolean().default(false).describe('Compute the percentiles of each channel separately'),
    keys: keysType('image'),
  },
  check: ({ lower, upper, bMin = null, bMax = null, relative, clip }) => [
    ...(lower > upper ? [`lower must not be above upper, but they are ${lower} and ${upper}`] : []),
    ...((bMin === null) !== (bMax === null) ? ['bMin and bMax must be given together or not at all'] : []),
    ...(relative && bMin === null ? ['relative needs bMin and bMax'] : []),
    ...(clip && bMin === null ? ['clip needs bMin and bMax'] : []),
  ],
  example: { lower: 0.5, upper: 99.5, bMin: 0, bMax: 1, clip: true, channelWise: true },
  forecast: ({ keys }) => foreseeFloats(keys, ['image'], 'image'),
  create: ({ keys, ...range }, context) =>
    mapVolumes(context, 'cpu', keys, ['image'], (volume) =>
      context.runtime.run(percentilesTask, volume, range),
    ),
});
