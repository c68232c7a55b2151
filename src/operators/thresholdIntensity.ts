import { z } from 'zod';
import { intensity, keysType } from '../optionTypes.js';
import { task } from '../runtime/task.js';
import { thresholdIntensity as kernel } from '../volume/threshold.js';
import { operator } from './define.js';
import { foreseeFloats } from './forecast.js';
import { mapVolumes } from './map.js';

const thresholdIntensityTask = task(new URL('../volume/threshold.js', import.meta.url), kernel);

/**
 * Keeps intensities above `threshold` and sets all others to `cval`. The result is float32.
 *
 * Mirrors MONAI's `ThresholdIntensityd`.
 */
export const thresholdIntensity = operator({
  name: 'thresholdIntensity',
  summary: 'Keeps intensities above or below a threshold and replaces all others.',
  mirrors: 'ThresholdIntensityd',
  options: {
    threshold: intensity.describe('The intensity to compare with'),
    above: z
      .boolean()
      .default(true)
      .describe('Keep intensities above the threshold; with false, those below it'),
    cval: intensity.default(0).describe('The value for all other voxels'),
    keys: keysType('image'),
  },
  example: { threshold: -200, above: true, cval: -200 },
  forecast: ({ keys }) => foreseeFloats(keys, ['image'], 'image'),
  create: ({ threshold, above, cval, keys }, context) =>
    mapVolumes(context, 'cpu', keys, ['image'], (volume) =>
      context.runtime.run(thresholdIntensityTask, volume, threshold, above, cval),
    ),
});
